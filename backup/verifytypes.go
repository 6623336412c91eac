package backup

import (
	"time"

	"davit/backup/verified"
)

// VerifyOptions says what Verify looks at.
type VerifyOptions struct {
	Spec     string // "" is all snapshots, else one snapshot or item
	ReadData bool   // read and decode every blob, not only ask whether it is there with the right size
	// Sample of all snapshots: with ReadData, read this share only, what was not read for the longest time; 0 is everything.
	Sample verified.Share
	Attest bool // with ReadData: tell all hosts that they may refer to what proved good, in an encrypted repository
	// Remember what was read in Env.StateDir, and go on where a run of the same was cut short. Without it
	// everything is read, whatever is known.
	Remember bool
}

// VerifyReport is the result of Verify.
type VerifyReport struct {
	Snapshots int           `json:"snapshots"`
	Items     int           `json:"items"`
	Blobs     int           `json:"blobs"`      // distinct
	BytesRead int64         `json:"bytes_read"` // stored bytes
	Files     int64         `json:"files"`
	Data      *VerifiedData `json:"data,omitempty"` // with Remember
	Damaged   []DamagedBlob `json:"damaged"`
	Notes     []string      `json:"notes"` // what is not right and costs no data
	Seconds   float64       `json:"seconds"`
}

// VerifiedData says how much of the data of what was looked at has been read from this machine and found good.
type VerifiedData struct {
	verified.Summary
	Continued time.Time `json:"continued,omitzero"` // when the run began that this one went on with
}

// DamagedBlob is a blob that is missing or is not what it should be, and what it hits.
type DamagedBlob struct {
	Digest string `json:"digest"`
	Reason string `json:"reason"`
	Hits   []Hit  `json:"hits"`
}

// Hit is one item that a damaged blob belongs to.
type Hit struct {
	Snapshot string   `json:"snapshot"`
	Item     string   `json:"item"`            // KIND/NAME
	Files    []string `json:"files,omitempty"` // paths inside the item, at most MaxHitFiles
	More     int      `json:"more,omitempty"`  // further files
}

// MaxHitFiles bounds the files that one Hit names.
const MaxHitFiles = 100

// Err is a *DamageError when something is damaged.
func (r *VerifyReport) Err() error {
	if len(r.Damaged) == 0 {
		return nil
	}
	snapshots := map[string]bool{}
	for _, d := range r.Damaged {
		for _, h := range d.Hits {
			snapshots[h.Snapshot] = true
		}
	}
	return &DamageError{Blobs: len(r.Damaged), Snapshots: len(snapshots)}
}
