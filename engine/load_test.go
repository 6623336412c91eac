package engine

import (
	"reflect"
	"strings"
	"testing"
)

// An error in the stream of a load is an error, whatever came before it.
func TestReadLoad(t *testing.T) {
	for _, c := range []struct {
		name, stream, wantErr string
		want                  LoadResult
	}{
		{name: "names and ids", stream: `{"stream":"Loaded image: a:1\n"}{"stream":"Loaded image ID: sha256:12\n"}`,
			want: LoadResult{Refs: []string{"a:1"}, IDs: []string{"sha256:12"}}},
		{name: "progress", stream: `{"status":"Loading layer","progressDetail":{"current":1}}` + "\n" + `{"stream":"Loaded image: a:1\nLoaded image: b:1\n"}`,
			want: LoadResult{Refs: []string{"a:1", "b:1"}}},
		{name: "error", stream: `{"stream":"Loaded image: a:1\n"}{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}`,
			wantErr: "no space left on device", want: LoadResult{Refs: []string{"a:1"}}},
		{name: "cut", stream: `{"stream":"Loaded im`, wantErr: "read the engine's answer"},
		{name: "not JSON", stream: `<html>`, wantErr: "read the engine's answer"},
		{name: "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readLoad(strings.NewReader(c.stream))
			if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
				t.Errorf("error %v, want %q", err, c.wantErr)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("result %+v, want %+v", got, c.want)
			}
		})
	}
}

// Both spellings of compose's label are understood.
func TestDependsOn(t *testing.T) {
	for label, want := range map[string][]string{
		"": nil, "db": {"db"}, "db,cache": {"cache", "db"},
		"web:service_started:false,db:service_healthy:true": {"db", "web"},
	} {
		if got := dependsOn(label); !reflect.DeepEqual(got, want) {
			t.Errorf("dependsOn(%q) = %v, want %v", label, got, want)
		}
	}
}

// References to other containers become names; the rest of the document is left alone.
func TestNameReferences(t *testing.T) {
	in := `{"Id":"1","HostConfig":{"NetworkMode":"container:aa","PidMode":"host","IpcMode":"container:bb",` +
		`"VolumesFrom":["aa:ro","cc"],"Future":{"x":1.50}},"Other":[1]}`
	want := `{"HostConfig":{"Future":{"x":1.50},"IpcMode":"container:bb","NetworkMode":"container:db","PidMode":"host",` +
		`"VolumesFrom":["db:ro","cc"]},"Id":"1","Other":[1]}`
	got, err := NameReferences([]byte(in), map[string]string{"aa": "db"})
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"HostConfig":1}`} {
		if _, err := NameReferences([]byte(bad), nil); err == nil {
			t.Errorf("NameReferences(%q) is no error", bad)
		}
	}
}
