package deis

// ParseCert is what AddCert does before it asks the records.
func ParseCert(in NewCert) (Cert, Pair, error) { return in.parse() }
