package controller

import (
	"context"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// Config is an app's environment, limits and tags.
func (c *Client) Config(ctx context.Context, app string) (Config, error) {
	var config Config
	p, err := path("/v1/apps/%s/config/", app)
	if err != nil {
		return config, err
	}
	err = c.do(ctx, http.MethodGet, p, nil, &config)
	return config, c.known(err, config.UUID)
}

// ChangeConfig sets the values that are given and unsets those that are nil,
// makes a release of it, and returns when that runs. Values and Tags are
// strings; Memory is such as "512M", CPU a number of shares of 1024. The answer
// is the whole config; its Values hold DEIS_RELEASE, such as "v3", if that
// release runs something.
func (c *Client) ChangeConfig(ctx context.Context, app string, change ConfigChange) (Config, error) {
	var config Config
	p, err := path("/v1/apps/%s/config/", app)
	if err != nil {
		return config, err
	}
	for key, value := range change.Values {
		if text, ok := value.(string); ok && !utf8.ValidString(text) {
			return config, fmt.Errorf("the value of %s is not text in UTF-8", key) // JSON would change it
		}
	}
	err = c.do(ctx, http.MethodPost, p, change, &config)
	return config, c.known(err, config.UUID)
}
