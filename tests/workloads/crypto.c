/* SPDX-License-Identifier: Apache-2.0 */
/* libcrypto's hand-written assembly: its frames have rules that no compiler makes.
 *
 *      main drive NAME [crypto]+       for each NAME below; libcrypto calls libc too
 *      main drive [crypto]+            making the key
 *
 * Not RSA: one of its functions has a CFA made of two registers, which the walk does not know (bn_mul_mont). */
#include "chain.h"
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>

static unsigned char text[4096], out[4096 + EVP_MAX_BLOCK_LENGTH];

static LINK uint64_t digest(const EVP_MD *kind, EVP_MD_CTX *context)
{
	unsigned int n = 0;

	EVP_DigestInit_ex(context, kind, NULL);
	EVP_DigestUpdate(context, text, sizeof(text));
	EVP_DigestFinal_ex(context, out, &n);
	return n + out[0];
}

static LINK uint64_t encrypt(const EVP_CIPHER *kind, EVP_CIPHER_CTX *context)
{
	static const unsigned char key[EVP_MAX_KEY_LENGTH] = "key", iv[EVP_MAX_IV_LENGTH] = "iv";
	int n = 0, rest = 0;

	EVP_EncryptInit_ex(context, kind, NULL, key, iv);
	EVP_EncryptUpdate(context, out, &n, text, sizeof(text));
	EVP_EncryptFinal_ex(context, out + n, &rest);
	return (uint64_t)n + out[0];
}

static LINK uint64_t sign(EVP_PKEY *key, EVP_MD_CTX *context)
{
	unsigned char signature[512];
	size_t n = sizeof(signature);

	EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key);
	EVP_DigestSign(context, signature, &n, text, 64);
	EVP_MD_CTX_reset(context);
	return n + signature[0];
}

static LINK uint64_t drive(uint64_t x)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const EVP_MD *digests[] = {EVP_md5(), EVP_sha1(), EVP_sha256(), EVP_sha512(), EVP_sha3_256()};
	const EVP_CIPHER *ciphers[] = {EVP_aes_128_cbc(), EVP_aes_256_ctr(), EVP_aes_256_gcm(),
				       EVP_chacha20_poly1305()};

	if (!context || !cipher || !key) {
		fputs("libcrypto does not work\n", stderr);
		exit(1);
	}
	while (is_alive()) {
		for (unsigned int i = 0; i < 10; i++) {
			x += digest(digests[i % 5], context);
			x += encrypt(ciphers[i % 4], cipher);
		}
		x += sign(key, context);
		text[x % sizeof(text)]++;
	}
	return x;
}

int main(int argc, char **argv)
{
	end_after(argc, argv);
	return drive(1) == 0;
}
