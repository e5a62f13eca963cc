package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deis/deis/client/controller"
)

func certsVerbs(f *Factory) []*verb {
	return []*verb{newCertsList(f, nil), newCertsAdd(f, nil), newCertsRemove(f, nil)}
}

type certsListOptions struct {
	*Factory
	Limit  *int
	Output string
}

func newCertsList(f *Factory, runF func(context.Context, *certsListOptions) error) *verb {
	o := &certsListOptions{Factory: f}
	v := newVerb("certs:list", "list your certificates", "Lists your TLS certificates and when they expire.")
	v.limited(&o.Limit)
	v.printed(&o.Output)
	return action(v, o, runF, runCertsList)
}

func runCertsList(ctx context.Context, o *certsListOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	page, err := a.api.ListCerts(ctx, a.size(o.Limit))
	if err != nil {
		return err
	}
	return o.show(o.Output, list(page), func() { o.printCerts(page.Results) })
}

// printCerts is a table of names and expiries; of two of a name the last
// counts.
func (f *Factory) printCerts(certs []controller.Cert) {
	if len(certs) == 0 {
		f.printf("No certs\n")
		return
	}
	const gap = "     "
	name, expiry := len("Common Name"), len("Expires")
	expires := map[string]string{}
	for _, c := range certs {
		expires[c.CommonName] = c.Expires.String()
		name, expiry = max(name, len(c.CommonName)), max(expiry, len(c.Expires.String()))
	}
	f.printf("%-*s%s%s\n", name, "Common Name", gap, "Expires")
	f.printf("%s%s%s\n", strings.Repeat("-", name), gap, strings.Repeat("-", expiry))
	for _, cn := range slices.Sorted(maps.Keys(expires)) {
		f.printf("%-*s%s%s\n", name, cn, gap, expires[cn])
	}
}

type certsAddOptions struct {
	*Factory
	Cert, Key, CommonName, SANs string
}

func newCertsAdd(f *Factory, runF func(context.Context, *certsAddOptions) error) *verb {
	o := &certsAddOptions{Factory: f}
	v := newVerb("certs:add", "add a certificate", "Adds a TLS certificate for a domain.")
	v.required(&o.Cert, "<cert>", "the file of the certificate (PEM), itself first, then those that signed it")
	v.required(&o.Key, "<key>", "the file of its private key")
	v.option(&o.CommonName, "common-name", "", "CN", "the domain it is for; by default the certificate's own common name")
	v.option(&o.SANs, "subject-alt-names", "", "A,B", "the domains it is for, if it is for several; --common-name is ignored then")
	return action(v, o, runF, runCertsAdd)
}

func runCertsAdd(ctx context.Context, o *certsAddOptions) error {
	cert, err := readText(o.Cert)
	if err != nil {
		return err
	}
	key, err := readText(o.Key)
	if err != nil {
		return err
	}
	switch {
	case isPrivateKey(cert) && !isCertificate(cert):
		return fmt.Errorf("%s holds a private key, not a certificate: give the certificate first, its key behind it", o.Cert)
	case isCertificate(key) && !isPrivateKey(key):
		return fmt.Errorf("%s holds a certificate, not its private key", o.Key)
	}
	a, err := o.account()
	if err != nil {
		return err
	}
	commonNames := []string{o.CommonName}
	if o.SANs != "" {
		commonNames = strings.Split(o.SANs, ",")
	}
	err = o.waiting("Adding SSL endpoint... ", func() error {
		for _, cn := range commonNames {
			err := a.api.CreateCert(ctx, controller.NewCert{Certificate: cert, Key: key, CommonName: cn})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	o.printf("done\n")
	return nil
}

type certsRemoveOptions struct {
	*Factory
	CommonName string
}

func newCertsRemove(f *Factory, runF func(context.Context, *certsRemoveOptions) error) *verb {
	o := &certsRemoveOptions{Factory: f}
	v := newVerb("certs:remove", "remove a certificate", "Removes a TLS certificate.")
	v.required(&o.CommonName, "<cn>", "its common name, as certs:list shows it")
	return action(v, o, runF, runCertsRemove)
}

func runCertsRemove(ctx context.Context, o *certsRemoveOptions) error {
	a, err := o.account()
	if err != nil {
		return err
	}
	err = o.waiting(fmt.Sprintf("Removing %s... ", o.CommonName), func() error {
		return a.api.RemoveCert(ctx, o.CommonName)
	})
	if err != nil {
		return err
	}
	o.printf("done\n")
	return nil
}
