package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

func (r *restoreRun) createNetwork(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	raw, _, err := readDefinition(ctx, r.env.Repo, step.item.Desc)
	if err != nil {
		return err
	}
	rep.Result, err = r.env.Engine.CreateNetwork(ctx, raw)
	return err
}

func (r *restoreRun) createContainer(ctx context.Context, step *RestoreStep, rep *RestoreStepReport) error {
	raw, _, err := readDefinition(ctx, r.env.Repo, step.item.Desc)
	if err != nil {
		return err
	}
	if raw, err = renameReferences(raw, step.names); err != nil {
		return err
	}
	id, warnings, err := r.env.Engine.CreateContainerFromInspect(ctx, raw)
	if err != nil {
		return err
	}
	rep.Result = id
	for _, w := range warnings {
		rep.addNote(w)
	}
	return nil
}

func (r *restoreRun) startContainer(ctx context.Context, step *RestoreStep) error {
	if r.failed[step.Ref()] {
		return fmt.Errorf("not started: it could not be made")
	}
	return r.env.Engine.Start(ctx, step.Target)
}

// renameReferences replaces ids of other containers in a definition by their names: the containers
// that come back have new ids.
func renameReferences(raw json.RawMessage, names map[string]string) (json.RawMessage, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("decode definition: %w", err)
	}
	var host map[string]json.RawMessage
	if len(doc["HostConfig"]) == 0 {
		return raw, nil
	}
	if err := json.Unmarshal(doc["HostConfig"], &host); err != nil {
		return nil, fmt.Errorf("decode definition: %w", err)
	}
	changed := false
	for _, key := range []string{"NetworkMode", "PidMode", "IpcMode"} {
		var mode string
		if json.Unmarshal(host[key], &mode) != nil {
			continue
		}
		if id, ok := strings.CutPrefix(mode, "container:"); ok && names[id] != "" {
			host[key], changed = quoted("container:"+names[id]), true
		}
	}
	var from []string
	if json.Unmarshal(host["VolumesFrom"], &from) == nil && len(from) > 0 {
		for i, ref := range from {
			id, mode, _ := strings.Cut(ref, ":")
			if names[id] != "" {
				from[i] = strings.TrimSuffix(names[id]+":"+mode, ":")
				changed = true
			}
		}
		host["VolumesFrom"] = quoted(from)
	}
	if !changed {
		return raw, nil
	}
	doc["HostConfig"] = quoted(host)
	return quoted(doc), nil
}

// quoted encodes strings, lists and maps of them, which always works.
func quoted(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}
