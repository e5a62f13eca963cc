package controller

import "github.com/deis/deis/internal/api"

// The nouns of the API.
type (
	App          = api.App
	Admin        = api.Admin
	Build        = api.Build
	Cert         = api.Cert
	Config       = api.Config
	ConfigChange = api.ConfigChange
	Container    = api.Container
	Credential   = api.Credential
	Domain       = api.Domain
	Key          = api.Key
	NewBuild     = api.NewBuild
	NewCert      = api.NewCert
	Page[T any]  = api.Page[T]
	Perms        = api.Perms
	Registration = api.Credentials
	Release      = api.Release
	Time         = api.Time
	User         = api.User
)
