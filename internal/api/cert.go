package api

// Cert is a TLS certificate of a user; it is never answered with its contents.
type Cert struct {
	ID         int    `json:"id"`
	Owner      string `json:"owner"`
	Expires    Time   `json:"expires"`
	Created    Time   `json:"created"`
	Updated    Time   `json:"updated"`
	CommonName string `json:"common_name"`
}

// NewCert is the body of a POST to certs. Without a common name the
// controller takes that of the certificate's subject.
type NewCert struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	CommonName  string `json:"common_name,omitempty"`
}
