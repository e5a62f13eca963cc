package deis

// failpoint is a place where a test may kill the controller. They work only in
// binaries built with -tags failpoint.
type failpoint string

// All failpoints, in the order in which a deploy meets them.
const (
	afterReleaseRow   failpoint = "after-release-row"
	afterImagePush    failpoint = "after-image-push"
	afterCreate       failpoint = "after-container-create"
	afterAnnouncement failpoint = "after-first-announcement"
	afterCommit       failpoint = "after-commit"
	afterWithdraw     failpoint = "after-withdraw"
)
