// Package mirror keeps etcd saying what the records say, as far as routers,
// publishers and builders must know it: which apps there are, their domains,
// the certificates, whose SSH keys they are, and the few settings of an app's
// config that a component reads.
//
// It is driven by level, not by event: a pass reads the truth from the records
// and the mirror's keys in etcd, compares them, and writes what differs. So it
// does not matter which change caused a pass, nor what was missed while etcd was
// away, and an etcd that was emptied is filled again. A pass over what is right
// already writes nothing. Who changed one record asks for a pass over its part
// alone, which reads that record and writes its keys without a look at etcd, so
// that adding an SSH key costs the same on a platform of a hundred thousand;
// every minute a pass goes over all.
//
// The mirror owns the prefixes /deis/domains/, /deis/certs/,
// /deis/builder/users/ and /deis/config/, where it deletes what it does not
// know, and the apps' markers /deis/services/<app>. What is below a marker is
// the publisher's. An app that is marked as destroyed is gone from etcd while
// its row still holds its id, so that a new app of that id never meets what
// the old one left.
//
// There is one controller at a time; if two overlap, one that dies may write a
// change late, and the other's next pass, within a minute, undoes it.
package mirror
