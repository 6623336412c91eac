package main

import (
	"fmt"
	"io"
	"strings"

	"davit/migrate"
	"davit/migrate/preflight"

	"github.com/urfave/cli/v2"
)

// writeMigratePlan prints what a run would do.
func writeMigratePlan(w io.Writer, p *migrate.Plan) error {
	text := &textWriter{w: w}
	s := p.Survey
	if len(s.Stores) > 0 {
		t := newTable("STORE", "FROM", "TO", ">SIZE", ">FILES", "FILE SYSTEMS")
		for _, st := range s.Stores {
			t.row(st.Name, st.From, st.To, size(st.Bytes), fmt.Sprint(st.Files), st.FSType+" -> "+st.ToFSType)
		}
		text.table(t)
	}
	if s.Engine.Version != "" {
		text.linef("engine %s, storage driver %s, %s", s.Engine.Version, s.Engine.Driver, s.Engine.Unit)
	}
	writeComeBack(text, s.Containers)
	for _, level := range []preflight.Level{preflight.OK, preflight.Warning, preflight.Refusal} {
		for _, f := range s.Findings {
			if f.Level != level {
				continue
			}
			text.linef("%-8s %s", level, f.What)
			if f.Hint != "" {
				text.linef("         hint: %s", f.Hint)
			}
		}
	}
	if s.Estimate.Total > 0 {
		text.linef("estimate: %s in all, containers down for %s", span(s.Estimate.Total), span(s.Estimate.Downtime))
	}
	return text.err
}

// writeComeBack tells what becomes of the containers.
func writeComeBack(text *textWriter, all []preflight.Container) {
	if len(all) == 0 {
		return
	}
	t := newTable("CONTAINER", "STATE", "POLICY", "AFTERWARDS")
	for _, c := range all {
		t.row(c.Name, c.State, c.Policy, string(c.Back))
	}
	text.table(t)
}

// migrationAnswer is how a migration stands, for programs.
type migrationAnswer struct {
	ID      string          `json:"id"`
	Outcome migrate.Outcome `json:"outcome"` // "": not ended
	Step    migrate.Step    `json:"step"`
	Working bool            `json:"working"` // somebody is at work on it
	OnNew   bool            `json:"on_new_root"`
	Old     []string        `json:"old"`
	New     []string        `json:"new"`
	Reason  string          `json:"reason,omitempty"`
	Next    string          `json:"next"`
	Report  migrate.Report  `json:"report"`
}

// writeMigration prints how a migration stands.
func (h *host) writeMigration(c *cli.Context, s *migrate.State) error {
	a := migrationAnswer{
		ID: s.Plan.ID, Outcome: s.Outcome, Step: s.Step, OnNew: s.OnNewRoot(), Old: s.Old(), New: s.New(), Reason: s.Reason,
		Working: migrate.Busy(global(c, "state-dir")), Report: s.Report,
	}
	a.Next = nextStep(s, a.Working)
	if c.Bool("json") {
		return writeJSON(h.out, a)
	}
	text := &textWriter{w: h.out}
	text.linef("migration %s: %s", a.ID, standing(a))
	if a.Reason != "" {
		text.linef("reason: %s", a.Reason)
	}
	for _, st := range s.Plan.Survey.Stores {
		text.linef("%s: the engine belongs on %s (%s was %s)", st.Name, pick(a.OnNew, st.To, st.From),
			pick(a.OnNew, "the old root", "the copy"), pick(a.OnNew, st.From, st.To))
	}
	writeMigrationReport(text, s)
	text.linef("next: %s", a.Next)
	return text.err
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func standing(a migrationAnswer) string {
	switch {
	case a.Outcome != "":
		return string(a.Outcome)
	case a.Working:
		return "at work, step " + string(a.Step)
	}
	return "its worker is gone, step " + string(a.Step)
}

// nextStep is what there is to do.
func nextStep(s *migrate.State, working bool) string {
	switch {
	case s.Outcome == migrate.Done && s.StaleOld:
		return "davit migrate rollback --sync-back tries once more; davit migrate commit stays here"
	case s.Outcome == migrate.Done:
		return "look whether all is well; then davit migrate commit, or back with davit migrate rollback"
	case s.Outcome == migrate.RolledBack && s.Plan.Options.Method == migrate.MethodRename:
		return "the engine is on the old root as before; davit migrate resume tries again"
	case s.Outcome == migrate.RolledBack && s.ContainersStarted:
		return "the engine is on the old root as before; what was written into " + strings.Join(s.New(), ", ") + " is still there"
	case s.Outcome == migrate.RolledBack, s.Outcome == migrate.Interrupted:
		return "the engine is on the old root as before; davit migrate resume tries again and uses the copy, or delete the copy"
	case s.Outcome == migrate.Committed:
		return "nothing"
	case working:
		return "davit migrate status follows it; davit migrate rollback stops and undoes it"
	}
	return "davit recover undoes it, or brings it to its end"
}

func writeMigrationReport(text *textWriter, s *migrate.State) {
	r := s.Report
	if len(r.Passes) > 0 {
		t := newTable("STORE", "PASS", ">FILES", ">COPIED", ">DELETED", ">WRITTEN", ">SHARED", ">TIME")
		number := map[string]int{}
		for _, p := range r.Passes {
			number[p.Store]++
			t.row(p.Store, pick(p.Final, "last", fmt.Sprint(number[p.Store])), fmt.Sprint(p.Entries), fmt.Sprint(p.Copied), fmt.Sprint(p.Deleted),
				size(p.Bytes), size(p.Shared), span(p.Time))
		}
		text.table(t)
	}
	if r.Compared > 0 {
		text.linef("compared (%s): %s, %s of content, in %s", r.Verify, count(r.Compared, "file"), size(r.ReadBack), span(r.VerifyTime))
	}
	if r.Downtime > 0 {
		engine := ""
		if r.EngineStart > 0 {
			engine = fmt.Sprintf(", of that %s to stop and %s to start the engine", span(r.EngineStop), span(r.EngineStart))
		}
		text.linef("containers were down for %s%s", span(r.Downtime), engine)
	}
	if v := s.Inventory; v != nil {
		text.linef("the engine has %s, %s, %s, %s; %d of %d containers that ran run again", count(int64(v.Count("image")), "image"),
			count(int64(v.Count("container")), "container"), count(int64(v.Count("volume")), "volume"),
			count(int64(v.Count("network")), "network"), r.Started, r.Stopped)
	}
	for _, p := range r.Problems {
		text.linef("problem: %s", p)
	}
}
