package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"

	"github.com/ava-labs/avalanchego/ids"
	"github.com/ava-labs/avalanchego/staking"
	"github.com/ava-labs/avalanchego/utils/crypto/bls"
	"github.com/ava-labs/avalanchego/utils/crypto/bls/signer/localsigner"
)

// identity is what makes a node: its certificate with its key, and its BLS key.
type identity struct {
	id   ids.NodeID
	cert tls.Certificate
	key  crypto.Signer
	bls  bls.Signer
}

// newIdentity makes an identity as AvalancheGo makes one.
func newIdentity() (*identity, error) {
	cert, err := staking.NewTLSCert()
	if err != nil {
		return nil, err
	}
	return identityOf(*cert)
}

func identityOf(cert tls.Certificate) (*identity, error) {
	parsed, err := staking.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, err
	}
	signer, err := localsigner.New()
	if err != nil {
		return nil, err
	}
	return &identity{
		id:   ids.NodeIDFromCert(parsed),
		cert: cert,
		key:  cert.PrivateKey.(crypto.Signer),
		bls:  signer,
	}, nil
}

// oldIdentity has an RSA key of 4096 bits in a certificate of X.509 version 1. The stakers that
// AvalancheGo ships for local networks are so, and strict parsers refuse them.
func oldIdentity() (*identity, error) {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		return nil, err
	}
	modern, err := selfSigned(key, "judge")
	if err != nil {
		return nil, err
	}
	var whole struct{ Body, Algorithm, Signature asn1.RawValue }
	if _, err := asn1.Unmarshal(modern, &whole); err != nil {
		return nil, err
	}
	var fields []asn1.RawValue
	if _, err := asn1.Unmarshal(whole.Body.FullBytes, &fields); err != nil {
		return nil, err
	}
	// Version 1 is the absence of the version, [0], and of extensions, [3].
	plain := fields[:0]
	for _, field := range fields {
		if field.Class == asn1.ClassUniversal {
			plain = append(plain, field)
		}
	}
	body, err := asn1.Marshal(plain)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return nil, err
	}
	der, err := asn1.Marshal(struct {
		Body      asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}{
		Body:      asn1.RawValue{FullBytes: body},
		Algorithm: whole.Algorithm,
		Signature: asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	if err != nil {
		return nil, err
	}
	return identityOf(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
}

func selfSigned(key crypto.Signer, subject string) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{Organization: []string{subject}},
		NotBefore:    time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}
