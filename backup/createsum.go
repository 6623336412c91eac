package backup

import "slices"

func newReport(env *Env, plan *CreatePlan) *Report {
	r := &Report{
		Time: env.Now().UTC(), Host: env.Host, Job: plan.Options.Job,
		Items: []ItemReport{}, Freezes: []Freeze{}, Problems: []Problem{},
		Skipped: plan.Skipped, Layers: plan.Layers, Notes: slices.Clone(plan.Notes),
	}
	if r.Skipped == nil {
		r.Skipped = []Skipped{}
	}
	if r.Layers == nil {
		r.Layers = []UnsavedLayer{}
	}
	if r.Notes == nil {
		r.Notes = []string{}
	}
	return r
}

func (r *Report) add(it ItemReport) { r.Items = append(r.Items, it) }

func (r *Report) problem(p Problem) { r.Problems = append(r.Problems, p) }

// finish sums the items up.
func (r *Report) finish() {
	r.Complete = true
	r.Totals = Totals{}
	for _, it := range r.Items {
		if !it.Saved {
			r.Complete = false
			continue
		}
		r.Totals.Items++
		r.Totals.Files += it.Files
		r.Totals.Entries += it.Entries
		r.Totals.Bytes += it.Bytes
		r.Totals.BytesRead += it.BytesRead
		r.Totals.BytesNew += it.BytesNew
		r.Totals.Stored += it.Stored
	}
}

func (r *Report) err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return &PartialError{Action: "backup", Problems: len(r.Problems)}
}

// text is a problem in one line.
func (p Problem) text() string {
	s := p.Reason
	if p.Path != "" {
		s = p.Path + ": " + s
	}
	if p.Item != "" {
		s = p.Item + ": " + s
	}
	return s
}
