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
	LogPosition  = api.LogPosition
	NewBuild     = api.NewBuild
	NewCert      = api.NewCert
	Page[T any]  = api.Page[T]
	Perms        = api.Perms
	Registration = api.Credentials
	Release      = api.Release
	RunSize      = api.RunSize
	RunStart     = api.RunStart
	Time         = api.Time
	User         = api.User
)

// LogGapUnknown is the gap after which a followed log is another one.
const LogGapUnknown = api.LogGapUnknown
