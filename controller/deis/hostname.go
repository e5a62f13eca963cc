package deis

import (
	"strings"

	"github.com/deis/deis/internal/jobid"
)

// maxHostname is what Linux takes as a host's name.
const maxHostname = 63

// hostname is what a container is called inside, by the operator's setting
// unitHostname (spec section 5.2).
func hostname(mode string, job jobid.ID) (string, error) {
	switch mode {
	case "", "default":
		return "", nil
	case "application":
		name := strings.ReplaceAll(job.String(), "_", ".")
		return strings.TrimRight(name[:min(len(name), maxHostname)], ".-"), nil
	case "server":
		return ServerHostname, nil
	}
	return "", Errorf(Unavailable, "Unsupported hostname: %s", mode)
}
