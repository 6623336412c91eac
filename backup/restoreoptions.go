package backup

// RestoreOptions is the whole input of PlanRestore beside the host and the repository.
type RestoreOptions struct {
	Spec     string   // SNAPSHOT[:KIND/NAME[//PATH]]
	Host     string   // whose "latest"; "" is this host
	Job      string   // of which job; "" is any
	All      bool     // the whole host; when this one has no snapshot, that of the only other host that has
	Only     []string // KIND/NAME or KIND, when Spec names a whole snapshot
	ToVolume string   // restore one volume item into a new volume of this name
	To       string   // restore below this folder, which must be absent or empty
	InPlace  bool     // over existing plain local volumes, keeping the old data until CommitInPlace

	ComposeFiles   string // write compose and .env files below this folder, each project in one of its name
	ComposeInPlace bool   // write them where they were

	Containers  bool // recreate networks and containers, not started
	Start       bool // start the containers that ran when they were saved
	AllowRMLoss bool // in place: stop --rm containers
}
