package main

import (
	"errors"

	"davit/backup/repo"
)

// explainKey knows the errors of encrypted repositories.
func explainKey(err error, f *failure) bool {
	var wrong *repo.KeyError
	var pin *repo.PinError
	var back *repo.RollbackError
	var host *repo.WrongHostError
	switch {
	case errors.As(err, &wrong):
		f.code = exitWrongKey
	case errors.Is(err, repo.ErrKeyNeeded):
		f.hint, f.code = "--identity-file FILE or --passphrase-file FILE", exitWrongKey
	case errors.Is(err, repo.ErrNotEnrolled):
		f.hint, f.code = "davit backup key enroll --repo DIR --identity-file FILE makes one", exitWrongKey
	case errors.As(err, &pin):
		f.hint = "somebody may have put another repository in its place; if it was you, remove this host's key for the old one: " +
			"keys/" + pin.Repository + ".json in davit's state folder"
		f.code = exitDamaged
	case errors.As(err, &back):
		f.hint = "name a snapshot by its id to use it all the same; backup verify --accept-rollback if you know why they are gone"
		f.code = exitDamaged
	case errors.Is(err, repo.ErrNotHostKey):
		f.hint, f.code = "davit backup key enroll --for HOST --out FILE makes one", exitUsage
	case errors.As(err, &host):
		f.hint = "davit backup key enroll makes one for this host"
	default:
		return false
	}
	return true
}
