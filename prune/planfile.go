package prune

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"davit/engine/hostfs"
)

// maxPlanFile bounds a plan file.
const maxPlanFile = 256 << 20

// PlanError says why a plan cannot be carried out: nothing was done.
type PlanError struct{ Reason string }

func (e *PlanError) Error() string { return "plan " + e.Reason }

// sum is the checksum of a plan: it tells an edited or damaged file, and nothing else.
func (p *Plan) sum() (string, error) {
	bare := *p
	bare.Checksum = ""
	data, err := json.Marshal(&bare)
	if err != nil {
		return "", fmt.Errorf("encode plan: %w", err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// WriteFile writes a plan that ReadPlan reads.
func (p *Plan) WriteFile(path string) error {
	sum, err := p.sum()
	if err != nil {
		return err
	}
	sealed := *p
	sealed.Checksum = sum
	data, err := json.MarshalIndent(&sealed, "", " ")
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	return hostfs.WriteFile(path, append(data, '\n'), 0o600)
}

// ReadPlan reads a plan file. What is no plan, not this version's, or was changed since it was written, is a
// *PlanError.
func ReadPlan(path string) (*Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxPlanFile+1))
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p := &Plan{}
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(data, p); {
	case errors.As(err, &syntax):
		return nil, &PlanError{fmt.Sprintf("%s is no plan: byte %d: %v", path, syntax.Offset, err)}
	case err != nil:
		return nil, &PlanError{fmt.Sprintf("%s is no plan: %v", path, err)}
	case p.Format != PlanFormat:
		return nil, &PlanError{fmt.Sprintf("%s has format %d, and this davit knows %d", path, p.Format, PlanFormat)}
	}
	sum, err := p.sum()
	if err != nil {
		return nil, err
	}
	if sum != p.Checksum {
		return nil, &PlanError{fmt.Sprintf("%s was changed since it was made", path)}
	}
	return p, p.check(path)
}

// check refuses what no plan of davit's holds.
func (p *Plan) check(path string) error {
	seen := map[Ref]bool{}
	for _, v := range p.Removed {
		if !v.Kind.known() || v.ID == "" || seen[v.Ref] {
			return &PlanError{fmt.Sprintf("%s names %q twice or not as it should", path, v.ID)}
		}
		seen[v.Ref] = true
	}
	return nil
}
