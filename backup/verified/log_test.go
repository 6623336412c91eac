package verified

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"davit/backup/repo"
)

func digest(i int) repo.Digest { return repo.DigestOf([]byte(fmt.Sprint(i))) }

// manyBlobs are n blobs of quite different sizes.
func manyBlobs(n int) *Blobs {
	b := &Blobs{}
	for i := range n {
		b.Add(digest(i), int64(1+i*i%997))
	}
	return b
}

// night makes one run of a share, that reads at most so many blobs before it is cut short; all are good but bad.
func night(t *testing.T, folder string, now *time.Time, share Share, blobs *Blobs, most int, bad ...repo.Digest) []repo.Digest {
	t.Helper()
	l, err := Open(folder, "repo", "/place")
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Hour)
	plan := l.Begin(*now, "", share, false, blobs)
	var read []repo.Digest
	for d := range plan.Read {
		if len(read) == most {
			break
		}
		*now = now.Add(time.Millisecond)
		read = append(read, d)
		if slices.Contains(bad, d) {
			l.Bad(d, "test")
		} else {
			l.Good(d, *now)
		}
	}
	if len(read) == len(plan.Read) {
		l.End("", blobs)
	}
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}
	return read
}

// Runs of P percent read everything exactly once in 100/P of them, and again in the next 100/P, however the bytes are
// spread over blobs, and when some of them are cut short and taken up again.
func TestShares(t *testing.T) {
	for _, tc := range []struct {
		share Share
		blobs int
		cut   int // each third run is cut short after so many blobs
	}{{share: 500, blobs: 1000}, {share: 500, blobs: 7}, {share: 500, blobs: 30}, {share: 500, blobs: 500, cut: 3}, {share: 2500, blobs: 1}, {share: 1250, blobs: 90, cut: 1}, {share: All, blobs: 40, cut: 30}} {
		t.Run(fmt.Sprintf("%d of %d", tc.share, tc.blobs), func(t *testing.T) {
			folder, now, blobs := t.TempDir(), time.Unix(1_800_000_000, 0), manyBlobs(tc.blobs)
			for round := range 2 {
				times := map[repo.Digest]int{}
				for i := range int(All / tc.share) {
					if tc.cut > 0 && i%3 == 0 {
						for _, d := range night(t, folder, &now, tc.share, blobs, tc.cut) {
							times[d]++
						}
					}
					for _, d := range night(t, folder, &now, tc.share, blobs, -1) {
						times[d]++
					}
				}
				if len(times) != tc.blobs || slices.Max(slices.Collect(maps.Values(times))) != 1 {
					t.Errorf("round %d: %d of %d blobs were read, at most %d times", round, len(times), tc.blobs, slices.Max(slices.Collect(maps.Values(times))))
				}
			}
		})
	}
}

// What was never read comes first, then what was read the longest time ago; what is damaged comes in every run, beside
// the share.
func TestOrder(t *testing.T) {
	folder, now, blobs := t.TempDir(), time.Unix(1_800_000_000, 0), &Blobs{}
	for i := range 10 {
		blobs.Add(digest(i), 10)
	}
	first := night(t, folder, &now, 5000, blobs, -1)
	blobs.Add(digest(10), 10)
	blobs.Add(digest(11), 10)
	second := night(t, folder, &now, 5000, blobs, -1)
	for _, d := range second {
		if slices.Contains(first, d) {
			t.Errorf("%s was read twice before others were at all", d)
		}
	}
	bad := night(t, folder, &now, 1000, blobs, -1)[0]
	for range 3 {
		if read := night(t, folder, &now, 1000, blobs, -1, bad); slices.Contains(read, bad) {
			break
		}
		now = now.Add(time.Hour)
	}
	l, err := Open(folder, "repo", "/place")
	if err != nil {
		t.Fatal(err)
	}
	l.Bad(bad, "test")
	if err := l.Save(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if read := night(t, folder, &now, 1000, blobs, -1, bad); !slices.Contains(read, bad) || len(read) < 2 {
			t.Errorf("a damaged blob is not read beside the share: %v", read)
		}
	}
	night(t, folder, &now, 1000, blobs, -1)
	if l, err = Open(folder, "repo", "/place"); err != nil || len(l.Damaged()) != 0 {
		t.Errorf("still damaged: %v, %v", l.Damaged(), err)
	}
}

// A log that cannot be used is an empty one; a newer davit's stays as it is; of another repository or place nothing is
// believed; times that are to come count for nothing.
func TestLogThatCannotBeUsed(t *testing.T) {
	blobs := manyBlobs(50)
	write := func(t *testing.T, path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(t *testing.T, folder, path string, data []byte){
		"gone":              func(t *testing.T, _, path string, _ []byte) { _ = os.Remove(path) },
		"empty":             func(t *testing.T, _, path string, _ []byte) { write(t, path, nil) },
		"cut":               func(t *testing.T, _, path string, data []byte) { write(t, path, data[:len(data)-40]) },
		"a bit is another":  func(t *testing.T, _, path string, data []byte) { data[len(data)/2] ^= 1; write(t, path, data) },
		"something else":    func(t *testing.T, _, path string, _ []byte) { write(t, path, []byte("something else\n")) },
		"of another place":  func(t *testing.T, folder, _ string, data []byte) { write(t, Path(folder, "repo", "/other"), data) },
		"as it was written": nil,
	} {
		t.Run(name, func(t *testing.T) {
			folder, now, place := t.TempDir(), time.Unix(1_800_000_000, 0), "/place"
			night(t, folder, &now, All, blobs, -1)
			path := Path(folder, "repo", place)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if change != nil {
				change(t, folder, path, data)
			}
			if name == "of another place" {
				place = "/other"
			}
			l, err := Open(folder, "repo", place)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if change == nil {
				want = 50
			}
			if s := l.Summary(now, blobs); s.ReadBlobs != want || s.Blobs != 50 {
				t.Errorf("%+v", s)
			}
			if s := l.Summary(now.Add(-24*time.Hour), blobs); s.ReadBlobs != 0 {
				t.Errorf("with a clock that was set back: %+v", s)
			}
		})
	}
	folder, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	write(t, Path(folder, "repo", "/place"), []byte("davit verified 2\nwhatever"))
	l, err := Open(folder, "repo", "/place")
	if err != nil || l.Summary(now, blobs).ReadBlobs != 0 || l.Save() == nil {
		t.Errorf("of a newer davit: %v", err)
	}
}

// A run that was cut short is taken up again for a week, by a run of the same only, and not by one that is to read all
// again.
func TestGoesOn(t *testing.T) {
	blobs := manyBlobs(20)
	for name, tc := range map[string]struct {
		after time.Duration
		what  string
		share Share
		again bool
		want  int
	}{
		"goes on":                {share: All, want: 15},
		"long ago":               {share: All, after: 8 * 24 * time.Hour, want: 20},
		"all again":              {share: All, again: true, want: 20},
		"one of them":            {share: All, what: "latest", want: 20},
		"the clock was set back": {share: All, after: -24 * time.Hour, want: 20},
	} {
		t.Run(name, func(t *testing.T) {
			folder, now := t.TempDir(), time.Unix(1_800_000_000, 0)
			night(t, folder, &now, All, blobs, 5)
			l, err := Open(folder, "repo", "/place")
			if err != nil {
				t.Fatal(err)
			}
			plan := l.Begin(now.Add(tc.after), tc.what, tc.share, tc.again, blobs)
			if len(plan.Read) != tc.want || plan.Since.IsZero() != (tc.want == 20) {
				t.Errorf("reads %d, goes on with the run of %s", len(plan.Read), plan.Since)
			}
		})
	}
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]Share{"5%": 500, "0.5%": 50, "100%": All, "33.333%": 3333, "0.01%": 1} {
		if s, err := ParseShare(text); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "%", "5", "0%", "-1%", "101%", "0.001%", "NaN%", "Inf%", "5 %", "five%"} {
		if s, err := ParseShare(text); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}
