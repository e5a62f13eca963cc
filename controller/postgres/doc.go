// Package postgres is the controller's records in PostgreSQL, 14 or later: it
// implements deis.Records in a file a noun, brings the schema up to date
// (migrations/, forward only), and holds the apps' locks.
//
// The place of the database is asked for at each new connection, so that one
// that moves is found without a restart. A statement has ten seconds. What a
// constraint forbids is told by the constraint's name, what cannot be reached
// as deis.Unavailable; translate is where both are decided.
//
// An app's lock is a PostgreSQL advisory lock of a session of its own. Its
// holder's context ends with that session; a session whose controller is gone
// without a word is ended by the server after twenty seconds. Writes of a
// holder that does not know yet that it has lost the lock are stopped by the
// rows: a release that another controller has withdrawn cannot be committed,
// and a container that is leaving cannot serve again.
package postgres
