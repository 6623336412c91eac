package job

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"davit/backup"
)

// What is wrong with a configuration is told with its line.
func TestConfigErrors(t *testing.T) {
	const repository = "version: 1\nrepositories:\n  main: {path: /srv}\n" // three lines
	for _, tc := range []struct {
		name, text string
		line       int
		reason     string
	}{
		{"empty", "", 0, "is empty"},
		{"version", "version: 2\n", 0, "version is 2"},
		{"two documents", "version: 1\n---\nversion: 1\n", 0, "more than one document"},
		{"no yaml", "version: 1\njobs: [\n", 2, ""},
		{"unknown key", "version: 1\njob: {}\n", 2, `unknown field "job"`},
		{"unknown key in a job", repository + "jobs:\n  a:\n    rpo: 26h\n    after_all: [verify]\n", 7, `unknown field "after_all"`},
		{"unknown key in what", repository + "jobs:\n  a:\n    what:\n      volume: [x]\n", 7, `unknown field "volume"`},
		{"unknown key in retention", repository + "jobs:\n  a:\n    retention:\n      daly: 3\n", 7, `unknown field "daly"`},
		{"twice", "version: 1\nversion: 1\n", 2, "already"},
		{"age", repository + "jobs:\n  a:\n    rpo: soon\n", 6, `"soon" is no length of time`},
		{"duration", repository + "jobs:\n  a:\n    max_duration: 5 days\n", 6, `"5 days" is no duration`},
		{"negative duration", repository + "jobs:\n  a:\n    wait: -1s\n", 6, `"-1s" is no duration`},
		{"step", repository + "jobs:\n  a:\n    after: [verify,\n      prune]\n", 7, `"prune" is no step`},
		{"ionice", repository + "jobs:\n  a:\n    ionice: best-effort:9\n", 6, "ionice is"},
		{"nice", repository + "jobs:\n  a:\n    nice: 20\n", 0, "nice is 20"},
		{"job name", repository + "jobs:\n  a/b: {rpo: 1h}\n", 0, "a name is made of"},
		{"no repository", "version: 1\njobs:\n  a: {rpo: 1h}\n", 0, "names no repository"},
		{"other repository", repository + "jobs:\n  a: {repository: mian}\n", 0, `there is no repository "mian"`},
		{"relative repository", "version: 1\nrepositories:\n  main: {path: srv}\n", 0, "is not absolute"},
		{"relative path", repository + "jobs:\n  a: {what: {paths: [etc]}}\n", 0, `path "etc" is not absolute`},
		{"file system snapshots", repository + "jobs:\n  a:\n    rpo: 1h\n    fs_snapshots: sometimes\n", 6, `"sometimes"`},
		{"consistency", repository + "jobs:\n  a: {consistency: frozen}\n", 0, "frozen"},
		{"forget without retention", repository + "jobs:\n  a: {after: [forget]}\n", 0, "needs a retention"},
		{"retention without forget", repository + "jobs:\n  a: {retention: {daily: 3}}\n", 0, "nothing applies it"},
		{"gc where nothing may be removed", "version: 1\nrepositories:\n  main: {path: /srv/backup, append_only: true}\njobs:\n  a: {after: [gc]}\n", 0, "is append_only"},
		{"sample without verify-data", repository + "jobs:\n  a: {after: [verify], verify: {sample: 5%}}\n", 0, "nothing reads it"},
		{"sample of too much", repository + "jobs:\n  a:\n    after: [verify-data]\n    verify: {sample: 500%}\n", 7, "is no share"},
		{"retention of nothing", repository + "jobs:\n  a: {after: [forget], retention: {daily: 0}}\n", 0, "keeps something"},
		{"negative retention", repository + "jobs:\n  a: {after: [forget], retention: {daily: -1}}\n", 0, "-1 is no number"},
		{"tag", repository + "jobs:\n  a: {tags: [a b]}\n", 0, "is no tag"},
		{"tag to keep", repository + "jobs:\n  a: {after: [forget], retention: {keep_tag: ['']}}\n", 0, "keep_tag"},
		{"copy to nowhere", repository + "jobs:\n  a: {after: [copy]}\n", 0, "after: copy needs copy"},
		{"copy without a step", repository + "jobs:\n  a: {copy: {to: [main]}}\n", 0, "nothing does it"},
		{"copy to what is unknown", repository + "jobs:\n  a: {after: [copy], copy: {to: [usb]}}\n", 0, `no repository "usb"`},
		{"copy to itself", repository + "jobs:\n  a: {after: [copy], copy: {to: [main]}}\n", 0, "own repository"},
		{"copy twice", repository + "  b: {path: /b}\njobs:\n  a: {repository: main, after: [copy], copy: {to: [b, b]}}\n", 0, "named twice"},
		{"notification", repository + "jobs:\n  a: {notify: [me]}\n", 0, `no notification "me"`},
		{"two addresses", "version: 1\nnotifications:\n  a: {url: 'ntfy://x/y', webhook: 'http://x'}\n", 0, "needs one of"},
		{"webhook", "version: 1\nnotifications:\n  a: {webhook: ops}\n", 0, "no http or https address"},
		{"event", "version: 1\nnotifications:\n  a: {webhook: 'http://x', on: [always]}\n", 0, `"always"`},
		{"template", "version: 1\nnotifications:\n  a: {webhook: 'http://x', template: '{{.Nobody}}'}\n", 0, "template: "},
		{"ping", repository + "jobs:\n  a: {ping: {}}\n", 0, "ping: needs one of"},
		{"app", repository + "jobs:\n  a: {containers: {db: {app: oracle}}}\n", 0, `app is "oracle"`},
		{"container consistency", repository + "jobs:\n  a: {containers: {db: {consistency: x}}}\n", 0, `consistency is "x"`},
		{"textfile", "version: 1\nmetrics: {textfile: davit.prom}\n", 0, "absolute path"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseConfig("f.yaml", []byte(tc.text))
			var wrong *ConfigError
			if !errors.As(err, &wrong) {
				t.Fatalf("error is %v", err)
			}
			if !strings.Contains(wrong.Reason, tc.reason) || tc.line != 0 && wrong.Line != tc.line {
				t.Errorf("line %d, %s; want line %d, %s", wrong.Line, wrong.Reason, tc.line, tc.reason)
			}
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// The example is a configuration, and stays one with all that is commented out.
func TestExample(t *testing.T) {
	c, err := ParseConfig("example", Example())
	if err != nil {
		t.Fatal(err)
	}
	j := c.Jobs["nightly"]
	if j.Name != "nightly" || j.WaitTime() != time.Hour || j.RPO.Duration() != 26*time.Hour || j.IONice.Class != ioIdle || len(j.After) != 3 {
		t.Errorf("%+v", j)
	}
	if o := j.Options(); o.Job != "nightly" || o.RPO != 26*time.Hour || !o.Selection.All || o.MaxFreeze != 10*time.Second {
		t.Errorf("%+v", o)
	}
	commented := regexp.MustCompile(`(?m)^( *)# ( *[a-z][a-z0-9_-]*:( .*)?)$`)
	contradicts := regexp.MustCompile(`(?m)^.*# no_images:.*\n`) // images are listed there, too
	all := commented.ReplaceAll(contradicts.ReplaceAll(Example(), nil), []byte("$1$2"))
	all = []byte(strings.Replace(string(all), "after: [verify,", "after: [verify-data, copy,", 1))
	full, err := ParseConfig("example", all)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, all)
	}
	j = full.Jobs["nightly"]
	if len(j.Containers) != 2 || j.Ping == nil || len(j.Notify) != 1 || len(full.Notifications) != 2 || full.Metrics.Textfile == "" || j.Copy == nil || !full.Diskscan.Save {
		t.Errorf("not all was read: %+v", j)
	}
	if l := j.Options().Labels["shop-web-1"]; l[backup.LabelTimeout] != "2m0s" || l[backup.LabelExclude] != "tmp/*" {
		t.Errorf("labels are %v", l)
	}
}

func TestConfigFile(t *testing.T) {
	if _, err := ReadConfig(t.TempDir() + "/none.yaml"); !errors.Is(err, ErrNoConfig) {
		t.Errorf("error is %v", err)
	}
	c, err := ParseConfig("x", []byte("version: 1\nrepositories: {r: {path: /r}}\njobs: {a: {rpo: 1h}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var unknown *UnknownJobError
	if _, err := c.Job("b"); !errors.As(err, &unknown) || unknown.Known[0] != "a" {
		t.Errorf("error is %v", err)
	}
	if j, err := c.Job("a"); err != nil || c.RepositoryOf(j).Path != "/r" {
		t.Errorf("%+v, %v", j, err)
	}
}
