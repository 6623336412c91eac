package preflight

import (
	"fmt"
	"time"
)

// findings collects judgements in the order in which they are made.
type findings []Finding

func (l *findings) ok(check, what string, args ...any) {
	*l = append(*l, Finding{Level: OK, Check: check, What: fmt.Sprintf(what, args...)})
}

func (l *findings) warn(check, hint, what string, args ...any) {
	*l = append(*l, Finding{Level: Warning, Check: check, What: fmt.Sprintf(what, args...), Hint: hint})
}

func (l *findings) refuse(check, hint, what string, args ...any) {
	*l = append(*l, Finding{Level: Refusal, Check: check, What: fmt.Sprintf(what, args...), Hint: hint})
}

// judge draws the findings from the facts. It touches nothing.
func judge(f *facts, r Request, now time.Time) *Survey {
	s := &Survey{Taken: now, Containers: f.containers, Mounts: f.storeMounts(), Estimate: f.estimate(r)}
	for _, st := range f.stores {
		s.Stores = append(s.Stores, st.Store)
		s.Bytes, s.Files = s.Bytes+st.Bytes, s.Files+st.Files
	}
	for _, d := range f.dests {
		s.Destinations = append(s.Destinations, d.Destination)
	}
	s.Engine = f.engine()
	var l findings
	if f.judgeHost(&l); !f.stopped() {
		f.judgeEngine(&l)
		f.judgeConfig(&l)
		f.judgeStores(&l, r)
		f.judgeMounts(&l)
		f.judgeContainers(&l, r)
		f.judgeBinds(&l)
		f.judgeQuotas(&l)
		f.judgeDestinations(&l, r)
		f.judgeSpace(&l, r)
		f.judgeBoot(&l, r)
		f.judgeDavit(&l, r)
		f.judgeDowntime(&l, r)
	}
	s.Findings = l
	return s
}

// stopped tells that gather did not come further than the first facts.
func (f *facts) stopped() bool {
	return f.euid != 0 || !f.systemd || f.early()
}

func (f *facts) engine() Engine {
	e := Engine{ID: f.info.ID, Version: f.info.Version, Driver: f.info.Driver, ContainerdStore: f.info.ContainerdStore,
		DataRoot: f.info.DataRoot, UserNS: userNSFolder(f.info), LiveRestore: f.info.LiveRestore, Pid: f.unit.MainPID,
		Unit: f.unit.Name, Containerd: f.info.ContainerdAddress, ContainerdUnit: f.containerdUnit()}
	switch {
	case f.info.SwarmManager:
		e.Swarm = "manager"
	case f.info.Swarm:
		e.Swarm = "worker"
	}
	if f.file != nil {
		e.ConfigFile, e.ConfigDigest = f.file.Path(), ConfigDigest(f.file)
	}
	return e
}
