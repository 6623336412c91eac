package backup

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"davit/backup/repo"
	"davit/engine/enginetest"
)

// killedCreate is what the test's binary does when it is started to be killed: REPO SRC.
const killedCreate = "__create"

// createAndBeKilled makes one backup.
func createAndBeKilled(args []string) int {
	r, err := repo.Open(args[0], repo.Options{Host: "testhost", HostKeys: filepath.Join(filepath.Dir(args[0]), "keys")})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer r.Close()
	env := &Env{Repo: r, Host: "testhost", Version: "test", CacheDir: args[0] + ".cache", Now: time.Now, Rand: strings.NewReader("x")}
	if _, err := tryCreate(env, CreateOptions{Selection: Selection{Paths: []string{args[1]}}}); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// SIGKILL at any moment leaves a repository that verifies, the snapshots that were there before restore, and
// the next run succeeds.
func TestKilledBackups(t *testing.T) { killBackups(t, testEnv(t, nil), 50) }

// The same by a host that can only write.
func TestKilledBackupsEncrypted(t *testing.T) {
	enginetest.NeedRoot(t)
	killBackups(t, newSealedHost(t).reader(t), 15)
}

func killBackups(t *testing.T, env *Env, rounds int) {
	t.Helper()
	src := t.TempDir()
	for i := range 200 {
		write(t, fmt.Sprintf("%s/%d/f%d", src, i%7, i), strings.Repeat(fmt.Sprint(i), 3000))
	}
	write(t, src+"/big", strings.Repeat("0123456789abcdef", 1<<18))
	var whole time.Duration // that the latest run took that was let be, or was over before it was killed
	run := func(kill time.Duration) error {
		begin := time.Now()
		cmd := exec.Command(os.Args[0], killedCreate, env.Repo.Dir(), src)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kill > 0 {
			time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
		}
		err := cmd.Wait()
		if err == nil {
			whole = time.Since(begin)
		}
		return err
	}
	if err := run(0); err != nil {
		t.Fatalf("a run that is let be: %v", err)
	}
	killed := 0
	for i := range rounds {
		write(t, fmt.Sprintf("%s/new/%d", src, i), strings.Repeat(fmt.Sprint(i), 50000))
		if run(time.Duration(mathrand.Int64N(int64(whole)*5/4))) != nil {
			killed++
		}
		report, err := Verify(context.Background(), env, VerifyOptions{ReadData: i%10 == 9})
		if err != nil || report.Err() != nil || report.Snapshots < 1 {
			t.Fatalf("after kill %d: %+v, %v", i, report, err)
		}
	}
	if killed < rounds/10 {
		t.Errorf("only %d of %d runs were killed in time", killed, rounds)
	}
	if err := run(0); err != nil {
		t.Fatalf("the run after the kills: %v", err)
	}
	out := restoreTo(t, env, "latest:path/"+EncodeName(src))
	same(t, "after all kills", describe(t, src), describe(t, out))
}
