// Package deis is the controller's rules: the nouns of the platform, what may
// be done with them and by whom, and how an app is brought from one release to
// the next. It is free of technology: records, containers, images and routes
// are interfaces declared here and implemented by the controller's other parts.
//
// What should run is written down before it is made so. A release is pending
// until all of its containers are ready; one transaction then makes it live
// and turns the containers of the old release into leaving ones. Whatever
// stops the controller before that transaction is undone by the next
// Reconcile, whatever stops it after is finished by it: at every moment one
// release is the app's.
package deis
