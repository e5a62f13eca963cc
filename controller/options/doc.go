// Package options is the operator's settings of the controller, followed in
// etcd: a change holds at once, without a restart.
//
// It creates what an operator may leave out: /deis/controller/protocol,
// registrationMode and unitHostname with their defaults, and builderKey and
// secretKey, random. While etcd is away, what was read last goes on holding.
package options
