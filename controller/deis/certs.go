package deis

import (
	"context"
	"fmt"
)

// NewCert is a certificate as it is posted: its chain, itself first, and its
// private key, in PEM. An empty CommonName asks for the certificate's own.
type NewCert struct {
	Certificate string
	Key         string
	CommonName  string
}

// AddCert stores a certificate for a host name. Routers serve it once that is
// a domain of an app. It stands for itself, not for the app, and is its
// owner's alone.
func (c *Controller) AddCert(ctx context.Context, by User, in NewCert) (Cert, error) {
	cert, pair, err := in.parse()
	if err != nil {
		return Cert{}, err
	}
	cert.Owner = by.Username
	err = c.Records.InTx(ctx, func(tx Tx) error {
		if err := tx.ClaimHost(ctx, cert.CommonName); err != nil {
			return err
		}
		if err := mayCertify(ctx, tx, by, cert.CommonName); err != nil {
			return err
		}
		cert, err = tx.CreateCert(ctx, cert, pair)
		return err
	})
	if err != nil {
		return Cert{}, err
	}
	c.Log.Info(fmt.Sprintf("cert %s added", cert.CommonName), "user", by.Username)
	return cert, c.Mirror.Update(ctx, Part{Kind: PartCert, Name: cert.CommonName})
}

// Certs lists the user's certificates.
func (c *Controller) Certs(ctx context.Context, by User, p Page) ([]Cert, int, error) {
	return c.Records.Certs(ctx, by.Username, p)
}

// Cert finds one of the user's certificates.
func (c *Controller) Cert(ctx context.Context, by User, commonName string) (Cert, error) {
	cert, err := c.Records.Cert(ctx, foldHost(commonName))
	if err == nil && cert.Owner != by.Username {
		return Cert{}, errNotFound()
	}
	return cert, err
}

// RemoveCert deletes one of the user's certificates.
func (c *Controller) RemoveCert(ctx context.Context, by User, commonName string) error {
	commonName = foldHost(commonName)
	if err := c.Records.DeleteCert(ctx, by.Username, commonName); err != nil {
		return err
	}
	c.Log.Info(fmt.Sprintf("cert %s removed", commonName), "user", by.Username)
	return c.Mirror.Update(ctx, Part{Kind: PartCert, Name: commonName})
}
