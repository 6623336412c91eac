package backup

import (
	"context"
	"errors"
	"strings"
	"testing"

	"davit/backup/agent"
	"davit/engine"
)

// noAgents is an engine on which no helper container starts.
type noAgents struct{}

var errNoAgent = errors.New("no helper container starts")

func (noAgents) Start(context.Context, []engine.AgentMount, bool) (*agent.Helper, error) {
	return nil, errNoAgent
}

func farShop() *fakeEngine {
	return &fakeEngine{
		notLocal: "it is reached over ssh",
		containers: []engine.Container{{ID: "c1", Name: "web", Running: true, Mounts: []engine.Mount{
			{Type: "bind", Source: "/srv/www", RW: true}, {Type: "bind", Source: "/etc"}, {Type: "bind", Source: "/proc"},
			{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", RW: true},
		}}},
		volumes: []engine.Volume{
			{Name: "data", Driver: "local", Mountpoint: "/var/lib/docker/volumes/data/_data"},
			{Name: "nfs", Driver: "local", Options: map[string]string{"type": "nfs", "device": ":/x"}},
		},
	}
}

// What lies on another machine is planned for a helper container: volumes always, its folders when they are asked for,
// and none of them where helpers are not wanted.
func TestFarPlan(t *testing.T) {
	const elsewhere = "lies on the engine's host, which is another machine"
	for _, tc := range []struct {
		name   string
		agents Agents
		always bool
		s      Selection
		want   string
	}{
		{"volumes", noAgents{}, false, Selection{}, "volume/data far; volume/nfs far; skip /etc: is a system folder as a whole" +
			"; skip /proc: lies in /proc, which the kernel and running services make; skip /srv/www: " + elsewhere},
		{"bind mounts when asked", noAgents{}, false, Selection{Binds: true}, "bind/%2Fsrv%2Fwww far; skip /etc: is a system folder as a whole" +
			"; skip /proc: lies in /proc, which the kernel and running services make"},
		{"a system folder by name", noAgents{}, false, Selection{Binds: true, Include: []string{"/etc"}},
			"bind/%2Fetc far; bind/%2Fsrv%2Fwww far; skip /proc: lies in /proc, which the kernel and running services make"},
		{"without helpers", nil, false, Selection{Volumes: []string{"data"}},
			"volume/data failure: the engine is not local, so its files cannot be read: it is reached over ssh"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			env := testEnv(t, farShop())
			env.Agents, env.AlwaysAgents = tc.agents, tc.always
			plan, err := PlanCreate(t.Context(), env, CreateOptions{Selection: tc.s})
			if err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, it := range plan.Items {
				switch {
				case !isTree(it.Kind):
				case it.Failure != "":
					words = append(words, it.Ref()+" failure: "+it.Failure)
				case it.far:
					words = append(words, it.Ref()+" far")
				default:
					words = append(words, it.Ref())
				}
			}
			for _, s := range plan.Skipped {
				words = append(words, "skip "+s.Name+": "+s.Reason)
			}
			if got := strings.Join(words, "; "); got != tc.want {
				t.Errorf("plan: %s\nwant: %s", got, tc.want)
			}
		})
	}
}

// A helper that does not start costs the items that it was for, and the run goes on.
func TestFarHelperFails(t *testing.T) {
	env := testEnv(t, farShop())
	env.Agents = noAgents{}
	env.Hold = (&fakeHolder{}).open
	plan, err := PlanCreate(t.Context(), env, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := ApplyCreate(t.Context(), env, plan)
	var partial *PartialError
	if !errors.As(err, &partial) || len(report.Problems) != 2 || !strings.Contains(report.Problems[0].Reason, errNoAgent.Error()) {
		t.Errorf("%v, %+v", err, report)
	}
}

// A restore to another machine fills new and existing volumes by a helper container, and refuses what needs that
// machine's own davit.
func TestFarRestorePlan(t *testing.T) {
	for _, tc := range []struct {
		name string
		host func(eng *fakeEngine)
		o    RestoreOptions
		want string
	}{
		{"gone", func(eng *fakeEngine) { eng.volumes, eng.containers = nil, nil }, RestoreOptions{Spec: "latest"}, "create-volume volume/pgdata"},
		{"exists", func(eng *fakeEngine) { eng.containers = nil }, RestoreOptions{Spec: "latest"}, "fill-volume volume/pgdata"},
		{"in use", func(*fakeEngine) {}, RestoreOptions{Spec: "latest"}, "refused volume/pgdata: volume exists and is in use by db"},
		{"in place", func(*fakeEngine) {}, RestoreOptions{Spec: "latest", InPlace: true},
			"refused volume/pgdata: a volume is replaced in place only on the engine's own machine"},
		{"another name", func(*fakeEngine) {}, RestoreOptions{Spec: "latest:volume/pgdata", ToVolume: "copy"}, "create-volume volume/pgdata"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eng, env, _ := savedVolume(t)
			env.Agents, env.AlwaysAgents = noAgents{}, true
			tc.host(eng)
			plan, err := PlanRestore(t.Context(), env, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := planText(plan); got != tc.want {
				t.Errorf("plan: %s\nwant: %s", got, tc.want)
			}
			for _, s := range plan.Steps {
				if !s.far {
					t.Errorf("%s is not for a helper", s.Ref())
				}
			}
		})
	}
}
