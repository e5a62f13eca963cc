package controller

// For tests, which see the component from outside.
var (
	Attend   = attend
	LoadInto = loadInto
)
