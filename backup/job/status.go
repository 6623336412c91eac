package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"davit/backup"
	"davit/backup/drill"
	"davit/backup/repo"
	"davit/engine"
)

// clockSlack is how far a snapshot may be ahead of this clock and still count.
const clockSlack = time.Hour

// ReadRepositories reads the snapshots of all repositories that a configuration names.
func ReadRepositories(ctx context.Context, c *Config, read func(context.Context, *Repository) ([]repo.Snapshot, error)) []RepositorySnapshots {
	var list []RepositorySnapshots
	for _, name := range slices.Sorted(maps.Keys(c.Repositories)) {
		snaps, err := read(ctx, c.Repositories[name])
		list = append(list, RepositorySnapshots{Dir: c.Repositories[name].Path, Snapshots: snaps, Err: err})
	}
	return list
}

// Status says how well hosts are protected: each job and each volume by its newest good snapshot. With a
// configuration the jobs of this host are those of the configuration; with an engine its volumes are those that there are.
func Status(ctx context.Context, in StatusInput) (*StatusReport, error) {
	s := &statusRun{in: in, report: &StatusReport{Time: in.Now.UTC(), Hosts: []HostStatus{}, Repositories: []RepositoryStatus{}, Notes: []string{}}}
	hosts := map[string]bool{}
	for _, r := range in.Repositories {
		var unreadable *repo.UnreadableError
		if errors.As(r.Err, &unreadable) {
			s.report.Notes = append(s.report.Notes, fmt.Sprintf("%s: %v", r.Dir, r.Err))
		}
		if r.Err == nil || unreadable != nil {
			s.verified(r.Dir)
		}
		for _, snap := range r.Snapshots {
			if snap.Job != repo.JobPruneArchive {
				hosts[snap.Host] = true
			}
		}
	}
	if in.Config != nil || in.Engine != nil {
		hosts[in.Host] = true
	}
	if in.Unread != nil {
		s.report.Notes = append(s.report.Notes, strings.ReplaceAll(in.Unread.Error(), "\n", "; "))
	}
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		if in.Only != "" && host != in.Only {
			continue
		}
		if err := s.host(ctx, host); err != nil {
			return nil, err
		}
	}
	return s.report, nil
}

// verified tells of a repository; one with known damage needs somebody to look.
func (s *statusRun) verified(dir string) {
	r := RepositoryStatus{Repository: dir}
	if last := s.in.Verified[dir]; last != nil {
		r.Verified, r.Age, r.Data, r.Damaged = &last.Time, s.in.Now.Sub(last.Time).Seconds(), last.Data, last.Damaged
	}
	if r.Damaged > 0 {
		s.report.Bad++
	}
	s.report.Repositories = append(s.report.Repositories, r)
}

type statusRun struct {
	in     StatusInput
	report *StatusReport
}

func (s *statusRun) host(ctx context.Context, host string) error {
	h := HostStatus{Host: host, Jobs: []JobStatus{}, Volumes: []VolumeStatus{}}
	groups := s.groups(host)
	for _, g := range groups {
		h.Jobs = append(h.Jobs, s.job(host, g))
	}
	if slices.ContainsFunc(groups, func(g *jobGroup) bool { return len(g.snaps) > 0 && g.snaps[0].Sealed() }) {
		s.report.Notes = append(s.report.Notes, "host "+host+": only a key (--identity-file) tells the names of what its snapshots hold")
	}
	volumes, excluded, err := s.volumes(ctx, host, groups)
	if err != nil {
		return err
	}
	for _, name := range volumes {
		v := s.volume(name, excluded[name], groups)
		v.Drill = s.drillOf(func(r *drill.Report) bool { return r.Snapshot.Host == host && r.Proves(name) })
		h.Volumes = append(h.Volumes, v)
	}
	for _, j := range h.Jobs {
		if j.State.Bad() {
			s.report.Bad++
		}
	}
	for _, v := range h.Volumes {
		if v.State.Bad() {
			s.report.Bad++
		}
	}
	s.report.Hosts = append(s.report.Hosts, h)
	return nil
}

// jobGroup is the snapshots of one host and job in one repository, newest first.
type jobGroup struct {
	job, dir string
	config   *Job // nil when the configuration does not know it
	err      error
	snaps    []repo.Snapshot
}

// groups lists the jobs of a host: for this one those of the configuration, for others those that have snapshots.
func (s *statusRun) groups(host string) []*jobGroup {
	var list []*jobGroup
	find := func(job, dir string) *jobGroup {
		i := slices.IndexFunc(list, func(g *jobGroup) bool { return g.job == job && g.dir == dir })
		if i >= 0 {
			return list[i]
		}
		list = append(list, &jobGroup{job: job, dir: dir})
		return list[len(list)-1]
	}
	if host == s.in.Host && s.in.Config != nil {
		for _, name := range s.in.Config.JobNames() {
			j := s.in.Config.Jobs[name]
			find(name, s.in.Config.RepositoryOf(j).Path).config = j
		}
	}
	for _, r := range s.in.Repositories {
		for _, snap := range r.Snapshots {
			if snap.Host == host && snap.Job != repo.JobPruneArchive && !snap.Time.After(s.in.Now.Add(clockSlack)) {
				g := find(snap.Job, r.Dir)
				g.snaps = append(g.snaps, snap)
			}
		}
		var unreadable *repo.UnreadableError
		for _, g := range list {
			if g.dir == r.Dir && r.Err != nil && !errors.As(r.Err, &unreadable) {
				g.err = r.Err
			}
		}
	}
	for _, g := range list {
		slices.SortStableFunc(g.snaps, func(a, b repo.Snapshot) int { return b.Time.Compare(a.Time) })
	}
	slices.SortStableFunc(list, func(a, b *jobGroup) int { return strings.Compare(a.job, b.job) })
	return list
}

// rpo is how old the newest snapshot of a group may be: as asked, as the configuration says, as the newest snapshot says.
func (s *statusRun) rpo(g *jobGroup) time.Duration {
	switch {
	case s.in.RPO != nil:
		return *s.in.RPO
	case g.config != nil:
		return g.config.RPO.Duration()
	case len(g.snaps) > 0:
		return backup.RPO(g.snaps[0])
	}
	return 0
}

func (s *statusRun) job(host string, g *jobGroup) JobStatus {
	st := JobStatus{Job: g.job, Repository: g.dir, State: StateNever, RPO: s.rpo(g).Seconds()}
	if i := slices.IndexFunc(g.snaps, func(snap repo.Snapshot) bool { return snap.Complete }); i >= 0 {
		snap := g.snaps[i]
		st.Snapshot, st.Time = snap.ID, &snap.Time
		st.Age, st.State = s.judge(snap.Time, s.rpo(g))
	}
	if g.err != nil {
		st.State, st.Reason = StateUnknown, g.err.Error()
	}
	st.Drill = s.drillOf(func(r *drill.Report) bool {
		return r.Snapshot.Host == host && r.Snapshot.Job == g.job && r.Snapshot.Repository == g.dir
	})
	if host != s.in.Host {
		return st
	}
	if i := slices.IndexFunc(s.in.History, func(r *Record) bool { return r.Job == g.job }); i >= 0 {
		st.LastRun = s.in.History[i].Result
		if !s.in.History[i].Good() && st.Reason == "" {
			st.Reason = s.in.History[i].Error
		}
	}
	return st
}

func (s *statusRun) judge(t time.Time, rpo time.Duration) (age float64, state State) {
	d := max(0, s.in.Now.Sub(t))
	if rpo > 0 && d > rpo {
		return d.Seconds(), StateOld
	}
	return d.Seconds(), StateOK
}

// volumes are the names of a host's volumes, sorted, and those that a label leaves out.
func (s *statusRun) volumes(ctx context.Context, host string, groups []*jobGroup) ([]string, map[string]bool, error) {
	if host == s.in.Host && s.in.Engine != nil {
		return engineVolumes(ctx, s.in.Engine)
	}
	names := map[string]bool{}
	for _, g := range groups {
		// What the newest snapshot does not hold because it is not complete is still expected.
		for _, snap := range g.snaps {
			for _, it := range snap.Items {
				if it.Kind == repo.KindVolume {
					names[it.Name] = true
				}
			}
			if snap.Complete {
				break
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil, nil
}

// engineVolumes lists what backup create without a selection would save, and what a label keeps out of it.
func engineVolumes(ctx context.Context, e backup.Host) ([]string, map[string]bool, error) {
	volumes, err := e.Volumes(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list volumes: %w", err)
	}
	containers, err := e.Containers(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list containers: %w", err)
	}
	used := func(name string) bool {
		return slices.ContainsFunc(containers, func(c engine.Container) bool {
			return slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return m.Type == "volume" && m.Name == name })
		})
	}
	var names []string
	excluded := map[string]bool{}
	for _, v := range volumes {
		if _, drill := v.Labels[engine.LabelDrill]; drill || v.Anonymous && !used(v.Name) {
			continue
		}
		names = append(names, v.Name)
		excluded[v.Name] = v.Labels[backup.LabelBackup] == "false"
	}
	slices.Sort(names)
	return names, excluded, nil
}

// holds tells whether a snapshot holds a volume, and how many of its files are missing or marked there. Where the names of
// its items are sealed, the record of its run tells; without one, known is false.
func (s *statusRun) holds(snap *repo.Snapshot, volume string) (problems int, ok, known bool) {
	if it, ok := snap.Find(repo.KindVolume, volume); ok {
		return backup.ItemProblems(it), true, true
	}
	if !snap.Sealed() {
		return 0, false, true
	}
	for _, r := range s.in.History {
		if r.Snapshot == snap.ID {
			return 0, slices.Contains(r.Volumes, volume), true
		}
	}
	return 0, false, false
}

// drillOf finds the newest drill that is one of those meant.
func (s *statusRun) drillOf(meant func(*drill.Report) bool) *DrillInfo {
	i := slices.IndexFunc(s.in.Drills, meant)
	if i < 0 {
		return nil
	}
	r := s.in.Drills[i]
	return &DrillInfo{ID: r.ID, Time: r.Began, Age: max(0, s.in.Now.Sub(r.Began).Seconds()), Verdict: r.Verdict}
}

// volume judges a volume by the newest snapshot of any job that holds it.
func (s *statusRun) volume(name string, excluded bool, groups []*jobGroup) VolumeStatus {
	st := VolumeStatus{Volume: name, State: StateUnprotected}
	blind := false
	for _, g := range groups {
		for _, snap := range g.snaps {
			problems, ok, known := s.holds(&snap, name)
			if !ok {
				blind = blind || !known
				continue
			}
			if st.Time == nil || snap.Time.After(*st.Time) {
				st.Job, st.Snapshot, st.Time = g.job, snap.ID, &snap.Time
				st.RPO, st.Problems = s.rpo(g).Seconds(), problems
				st.Age, st.State = s.judge(snap.Time, s.rpo(g))
			}
			break
		}
	}
	if st.State == StateUnprotected && blind {
		st.State = StateUnknown
	}
	if excluded && st.State != StateOK {
		st.State = StateExcluded
	}
	return st
}
