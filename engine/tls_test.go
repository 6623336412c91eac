package engine_test

import (
	"path/filepath"
	"testing"

	"davit/engine"
	"davit/engine/enginetest"
)

// An engine that wants certificates (dockerd --tlsverify) is reached by a docker context
// that has them and by docker's environment; without them, or with those of strangers, the
// reason says so. It listens in its own network namespace: a port here leads to it.
func TestTLS(t *testing.T) {
	enginetest.NeedRoot(t)
	keys, strange := t.TempDir(), t.TempDir()
	enginetest.MakeKeys(t, keys)
	enginetest.MakeKeys(t, strange)
	d := enginetest.StartDockerd(t, enginetest.DockerdOptions{
		Hosts: []string{"tcp://127.0.0.1:2376"},
		Config: map[string]any{
			"tlsverify": true,
			"tlscacert": filepath.Join(keys, "ca.pem"),
			"tlscert":   filepath.Join(keys, "cert.pem"),
			"tlskey":    filepath.Join(keys, "key.pem"),
		},
	})
	host, config := "tcp://"+enginetest.Forward(t, d.Netns, "127.0.0.1:2376"), t.TempDir()
	for name, files := range map[string][3]string{
		"good":      {keys, keys, keys},
		"impostor":  {strange, keys, keys},
		"strange":   {keys, strange, strange},
		"anonymous": {keys},
	} {
		docker := "host=" + host
		for i, kind := range []string{"ca", "cert", "key"} {
			if files[i] != "" {
				docker += "," + kind + "=" + filepath.Join(files[i], kind+".pem")
			}
		}
		d.CLI(t, "--config", config, "context", "create", name, "--docker", docker)
	}
	for _, c := range []struct {
		name, context, certPath, verify string
		reason, hint                    string // "": it answers
	}{
		{name: "context", context: "good"},
		{name: "environment", certPath: keys, verify: "1"},
		{name: "no TLS", reason: "HTTP request to an HTTPS server", hint: "DOCKER_TLS_VERIFY"},
		{name: "server of another authority", context: "impostor", reason: "its certificate is not trusted: x509: certificate signed by unknown authority", hint: "ca.pem"},
		{name: "certificate of another authority", context: "strange", reason: "it does not accept this client: ", hint: "cert.pem"},
		{name: "no certificate", context: "anonymous", reason: "it does not accept this client: ", hint: "cert.pem"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("DOCKER_TLS_VERIFY", c.verify)
			t.Setenv("DOCKER_CERT_PATH", c.certPath)
			target := engine.Target{Context: c.context, ConfigDir: config}
			if c.context == "" {
				target.Host = host
			}
			e, err := engine.Connect(t.Context(), target)
			if c.reason != "" {
				wantUnreachable(t, e, err, host, c.reason, c.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if info, err := e.Info(t.Context()); err != nil || info.DataRoot != d.DataRoot {
				t.Errorf("info %+v, %v; want data-root %s", info, err, d.DataRoot)
			}
			reconnects(t, e)
			if local, reason := e.Local(t.Context()); local || reason != "it is reached over tcp" {
				t.Errorf("local %v, %q", local, reason)
			}
		})
	}
}

// reconnects proves that the engine's reference reaches it without the environment of the first connection.
func reconnects(t *testing.T, e *engine.Engine) {
	t.Helper()
	for _, name := range []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_HOST", "DOCKER_CONTEXT"} {
		t.Setenv(name, "")
	}
	again, err := engine.Reconnect(t.Context(), e.Reference())
	if err != nil {
		t.Errorf("reconnect to %s: %v", e.Reference(), err)
		return
	}
	defer again.Close()
	if again.Endpoint() != e.Endpoint() || again.Reference() != e.Reference() {
		t.Errorf("reconnected to %s, %s; want %s, %s", again.Endpoint(), again.Reference(), e.Endpoint(), e.Reference())
	}
}
