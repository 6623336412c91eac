package backup

import (
	"context"
	"errors"

	"davit/backup/repo"
)

// FindDamage tells which blobs are damaged, and what they hit: those that an earlier Verify found, read once more, or
// with readData all. Without a key an encrypted repository tells only what was found before.
func FindDamage(ctx context.Context, env *Env, readData bool) ([]DamagedBlob, error) {
	log, err := openLog(env)
	if err != nil {
		return nil, err
	}
	known := log.Damaged()
	if len(known) == 0 && !readData {
		return nil, nil
	}
	o := VerifyOptions{ReadData: true, Remember: true}
	if !readData {
		o.Sample = 1 // of the rest next to nothing
	}
	report, err := Verify(ctx, env, o)
	var wrong *repo.KeyError
	var back *repo.RollbackError
	switch {
	case err == nil:
		return report.Damaged, nil
	case !errors.Is(err, repo.ErrKeyNeeded) && !errors.As(err, &wrong) && !errors.As(err, &back) || readData:
		return nil, err
	}
	var list []DamagedBlob
	for _, d := range known {
		list = append(list, DamagedBlob{Digest: d.String(), Reason: "found by an earlier verify", Hits: []Hit{}})
	}
	return list, nil
}
