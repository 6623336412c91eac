package backup

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/backup/repo"
)

// goldenRetention is a file of testdata/retention: a policy, snapshots, and what is to become of each.
type goldenRetention struct {
	Now       time.Time
	Zone      string
	Keep      map[string]int
	Within    string
	Named     []string
	LoseItems bool
	Snapshots []goldenSnapshot
	Refused   []string // items
}

type goldenSnapshot struct {
	Time    time.Time
	Host    string
	Job     string
	Partial bool
	Items   []string
	Keep    []string // reasons; none: it goes
	Loses   []string
}

func (g *goldenRetention) plan(t *testing.T) (*ForgetPlan, []repo.Snapshot) {
	t.Helper()
	zone, err := time.LoadLocation(g.Zone)
	if err != nil {
		t.Fatal(err)
	}
	k := g.Keep
	o := ForgetOptions{LoseItems: g.LoseItems, Policy: KeepPolicy{
		Last: k["last"], Hourly: k["hourly"], Daily: k["daily"], Weekly: k["weekly"], Monthly: k["monthly"], Yearly: k["yearly"],
	}}
	if g.Within != "" {
		if o.Policy.Within, err = ParseAge(g.Within); err != nil {
			t.Fatal(err)
		}
	}
	var snaps []repo.Snapshot
	for i, s := range g.Snapshots {
		snap := repo.Snapshot{ID: fmt.Sprint("s", i), Time: s.Time, Host: s.Host, Job: s.Job, Complete: !s.Partial}
		for _, item := range s.Items {
			ref, err := ParseItemRef("latest:" + item)
			if err != nil {
				t.Fatal(err)
			}
			snap.Items = append(snap.Items, repo.Item{Kind: ref.Kind, Name: ref.Name})
		}
		snaps = append(snaps, snap)
	}
	p := &ForgetPlan{options: o, now: g.Now.In(zone), ids: g.Named}
	p.decide(snaps)
	return p, snaps
}

// Each golden file says for each of its snapshots why it is kept, or that it goes.
func TestRetentionGolden(t *testing.T) {
	files, err := filepath.Glob("../testdata/retention/*.json")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var g goldenRetention
			if err := json.Unmarshal(data, &g); err != nil {
				t.Fatal(err)
			}
			p, _ := g.plan(t)
			got := map[string]ForgetDecision{}
			for _, group := range p.Groups {
				for _, d := range group.Snapshots {
					got[d.ID] = d
				}
			}
			for i, s := range g.Snapshots {
				d, listed := got[fmt.Sprint("s", i)]
				if !slices.Equal(d.Reasons, s.Keep) || !slices.Equal(d.Loses, s.Loses) || listed && d.Keep != (len(s.Keep) > 0) {
					t.Errorf("snapshot %d of %s: %q, loses %q; want %q, %q", i, s.Time, d.Reasons, d.Loses, s.Keep, s.Loses)
				}
			}
			var refused []string
			for _, r := range p.Refused {
				refused = append(refused, r.Item)
			}
			if !slices.Equal(refused, g.Refused) {
				t.Errorf("refused %q, want %q", refused, g.Refused)
			}
		})
	}
}

// Whatever the policy and the snapshots: what is kept and what goes are all there is and have nothing in common, the
// newest of a host and job stays, every lasting item stays, a stronger policy keeps no less, and a second look finds
// nothing more to remove.
func TestRetentionProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for round := range 2000 {
		snaps := randomSnapshots(random, now)
		policy := randomPolicy(random)
		plan := planOf(snaps, policy, now)
		kept := checkSplit(t, snaps, plan)
		checkNewest(t, snaps, kept, now)
		checkLasting(t, snaps, kept)
		more := policy
		more.Last, more.Daily, more.Yearly = more.Last+1, more.Daily+2, more.Yearly+1
		keptByMore := checkSplit(t, snaps, planOf(snaps, more, now))
		for id, stays := range kept {
			if stays && !keptByMore[id] && !isGuarded(plan, id) {
				t.Errorf("%+v keeps %s, %+v does not", policy, id, more)
			}
		}
		left := slices.DeleteFunc(slices.Clone(snaps), func(s repo.Snapshot) bool { return !kept[s.ID] })
		if again := planOf(left, policy, now); len(again.Remove) > 0 {
			t.Errorf("a second look removes %v", again.Remove)
		}
		if t.Failed() {
			t.Fatalf("in round %d with %+v", round, policy)
		}
	}
}

// Who forgets with a clock that is wrong loses nothing by it: one that is behind keeps what it takes for the future, and
// where nothing is of the future one that is ahead decides as a right one does.
func TestRetentionByWrongClock(t *testing.T) {
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for range 500 {
		snaps := randomSnapshots(random, now)
		snaps = slices.DeleteFunc(snaps, func(s repo.Snapshot) bool { return s.Time.After(now) })
		policy := randomPolicy(random)
		right := planOf(snaps, policy, now)
		if ahead := planOf(snaps, policy, now.Add(25*time.Hour)); !slices.Equal(ahead.Remove, right.Remove) {
			t.Fatalf("%+v: a clock that is ahead removes %v, a right one %v", policy, ahead.Remove, right.Remove)
		}
		for _, id := range planOf(snaps, policy, now.Add(-25*time.Hour)).Remove {
			if !slices.Contains(right.Remove, id) && !isGuarded(right, id) {
				t.Fatalf("%+v: a clock that is behind removes %s, a right one does not", policy, id)
			}
		}
	}
}

func isGuarded(p *ForgetPlan, id string) bool {
	for _, g := range p.Groups {
		for _, d := range g.Snapshots {
			if d.ID == id {
				return len(d.Reasons) == 1 && strings.HasPrefix(d.Reasons[0], "last complete snapshot")
			}
		}
	}
	return false
}

func planOf(snaps []repo.Snapshot, policy KeepPolicy, now time.Time) *ForgetPlan {
	p := &ForgetPlan{options: ForgetOptions{Policy: policy}, now: now}
	p.decide(snaps)
	return p
}

func randomPolicy(r *rand.Rand) KeepPolicy {
	p := KeepPolicy{Last: r.IntN(3), Hourly: r.IntN(3), Daily: r.IntN(8), Weekly: r.IntN(4), Monthly: r.IntN(3), Yearly: r.IntN(2)}
	if r.IntN(3) == 0 {
		p.Within = Age{Days: r.IntN(30), Hours: 1}
	}
	if p.Empty() {
		p.Last = 1
	}
	return p
}

func randomSnapshots(r *rand.Rand, now time.Time) []repo.Snapshot {
	var snaps []repo.Snapshot
	for i := range r.IntN(40) {
		s := repo.Snapshot{
			ID: fmt.Sprint(i), Time: now.Add(-time.Duration(r.Int64N(int64(600 * 24 * time.Hour)))),
			Host: []string{"a", "b"}[r.IntN(2)], Job: []string{"", "nightly", repo.JobPruneArchive}[r.IntN(3)], Complete: r.IntN(3) > 0,
		}
		if r.IntN(10) == 0 {
			s.Time = now.AddDate(1, 0, i)
		}
		for range r.IntN(3) {
			it := repo.Item{Kind: []string{KindVolume, KindImage}[r.IntN(2)], Name: fmt.Sprint("n", r.IntN(4))}
			if _, ok := s.Find(it.Kind, it.Name); !ok {
				s.Items = append(s.Items, it)
			}
		}
		snaps = append(snaps, s)
	}
	slices.SortFunc(snaps, func(a, b repo.Snapshot) int { return b.Time.Compare(a.Time) })
	return snaps
}

func checkSplit(t *testing.T, snaps []repo.Snapshot, p *ForgetPlan) map[string]bool {
	t.Helper()
	kept, listed := map[string]bool{}, map[string]int{}
	for _, g := range p.Groups {
		for _, d := range g.Snapshots {
			listed[d.ID]++
			kept[d.ID] = d.Keep
			if d.Keep == slices.Contains(p.Remove, d.ID) || d.Keep != (len(d.Reasons) > 0) {
				t.Errorf("snapshot %s: keep %v for %q, and removed: %v", d.ID, d.Keep, d.Reasons, p.Remove)
			}
		}
	}
	for _, s := range snaps {
		archive := s.Job == repo.JobPruneArchive
		if archive {
			kept[s.ID] = true
		}
		if listed[s.ID] != 1 && !archive || archive && listed[s.ID]+btoi(slices.Contains(p.Remove, s.ID)) > 0 {
			t.Errorf("snapshot %s of job %q is decided on %d times", s.ID, s.Job, listed[s.ID])
		}
	}
	return kept
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func checkNewest(t *testing.T, snaps []repo.Snapshot, kept map[string]bool, now time.Time) {
	t.Helper()
	for _, group := range groupSnapshots(snaps) {
		for _, s := range group {
			if !kept[s.ID] {
				t.Errorf("snapshot %s is the newest of its group, or of the future, and goes", s.ID)
			}
			if !s.Time.After(now.Add(clockSlack)) {
				break
			}
		}
	}
}

func checkLasting(t *testing.T, snaps []repo.Snapshot, kept map[string]bool) {
	t.Helper()
	type holding struct{ complete, keptComplete, kept bool }
	items := map[string]holding{}
	for _, s := range snaps {
		for _, it := range s.Items {
			if it.Kind != KindVolume || s.Job == repo.JobPruneArchive {
				continue
			}
			h := items[s.Host+it.Name]
			h.complete = h.complete || s.Complete
			h.keptComplete = h.keptComplete || s.Complete && kept[s.ID]
			h.kept = h.kept || kept[s.ID]
			items[s.Host+it.Name] = h
		}
	}
	for name, h := range items {
		if h.complete && !h.keptComplete || !h.kept {
			t.Errorf("volume %s is lost: %+v", name, h)
		}
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]Age{
		"36h": {Hours: 36}, "30d": {Days: 30}, "2w": {Days: 14}, "1y6w2d3h": {Years: 1, Days: 44, Hours: 3}, "0d": {},
	} {
		got, err := ParseAge(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseAge(%q) = %v, %v", text, got, err)
		}
		if again, err := ParseAge(got.String()); err != nil || again != got {
			t.Errorf("%v is written %q and read as %v, %v", got, got, again, err)
		}
	}
	for _, text := range []string{"", "d", "30", "3m", "-1d", "1d 2h", "99999d", "1.5d"} {
		if got, err := ParseAge(text); err == nil {
			t.Errorf("ParseAge(%q) = %v", text, got)
		}
	}
}
