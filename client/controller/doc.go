// Package controller speaks the /v1 API of a Deis controller, version 1.7. It
// is what the deis command is built on, and fit for other programs: it depends
// on no other part of Deis's.
//
// A [Client] is made by [New] from an address and a token; [Client.Login] gives
// a token for a password. Its methods are the API's endpoints, one request
// each. They may be called from many goroutines.
//
// # Time
//
// A method blocks until the controller has done what was asked. For a deploy
// that may take minutes, and nothing but the context bounds it; the controller
// goes on with a deploy whose client has left. Connecting and the TLS handshake
// have time-outs of their own (15 s), and TCP keep-alives find a controller
// that is gone.
//
// [Client.FollowLogs] and [Client.Attend] last as long as what they are about:
// the log goes on whatever is restarted, the command until it ends.
//
// # Errors
//
// An answer that is not a success is an [*Error] with its HTTP status and the
// controller's sentences; [IsNotFound] tells one of them. Where there is no
// answer, or not all of one, the error is a [*ConnectError]: if the connection
// was cut, what was asked may have been done. The context's own errors are
// those of package context. All other errors are about an argument that cannot
// be a name, in which case nothing was asked, or about an answer that no
// controller gives.
//
// # Shapes
//
// Names are what users type: an app is "demo", a release 3 where an int is
// asked for and "v3" where the API writes it in text, a process type "web". Lists come in
// pages, [Page], of the size that is asked for, 100 if that makes no sense;
// Count is how many there are in all, and [Next] gets the page behind one. A
// [Time] is in whole seconds, UTC.
package controller
