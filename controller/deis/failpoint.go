package deis

// failpoint is a place between two changes where a test may kill the
// controller. They work only in binaries built with -tags failpoint;
// failpoint_on.go has the table.
type failpoint int

const (
	// Whoever takes an app's lock, and what he finds left by another.
	afterLock failpoint = iota
	afterReplacingCleared
	afterReplacingServing
	afterImageWithdrawn
	afterUndoRows
	afterUndo

	// A release, in order.
	afterReleaseRow
	afterReleaseImage
	afterImagePush
	afterContainerRows
	afterCreate
	afterStart
	afterAnnouncement
	afterReady
	afterCommit
	afterMirror
	afterWithdraw
	beforeAnswer

	// What is done in the background then, and whenever containers are removed.
	afterRemovalWithdraw
	afterStop
	afterDestroy
	afterForget
	afterRowsDeleted
	afterEngineImages
	afterRegistryPrune

	// Scaling and restarts.
	afterScaleCommit
	afterReplacing
	afterOldCleared
	afterServingAgain

	// One-off runs.
	beforeRun
	afterRunRow
	afterAttach
	duringRun
	duringAttended
	beforeAttendedEnd
	afterRun
	afterRunRowDeleted

	// The end of an app.
	afterMarkDestroyed
	afterAllLeave
	afterAllRemoved
	afterStrays
	afterAppEngineImages
	afterAppImages
	afterAppLogs
	afterAppMirror
	afterAppRows

	// What somebody did behind the controller's back is made good.
	afterHealStart
	afterHealCreate
	afterHealCreated
	afterOrphan
)
