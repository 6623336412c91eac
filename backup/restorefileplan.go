package backup

import (
	"fmt"
	"path/filepath"
	"strings"

	"davit/backup/repo"
)

// buildFiles plans to write items as files below --to: one item that holds files directly, several each
// in KIND/NAME.
func (b *restoreBuilder) buildFiles(items []repo.Item) error {
	dir, err := filepath.Abs(b.options.To)
	if err != nil {
		return fmt.Errorf("find target: %w", err)
	}
	empty, err := absentOrEmpty(dir)
	if err != nil {
		return err
	}
	if !empty {
		b.plan.Refused = append(b.plan.Refused, Refusal{
			Reason: "target " + dir + " is not empty", Hint: "name a folder that does not exist yet, or is empty",
		})
		return nil
	}
	if inside := b.insideRepository(dir); inside {
		b.plan.Refused = append(b.plan.Refused, Refusal{Reason: "target " + dir + " lies inside the repository"})
		return nil
	}
	single := b.ref.Kind != ""
	for _, it := range items {
		b.addFile(it, dir, single)
	}
	return nil
}

func (b *restoreBuilder) insideRepository(dir string) bool {
	repository, err := absolute(b.env.repositoryDir())
	return err == nil && repository != "" && within(repository, realPath(dir))
}

func (b *restoreBuilder) addFile(it repo.Item, dir string, single bool) {
	target := filepath.Join(dir, it.Kind, fileName(it.Name))
	if isTree(it.Kind) {
		if single {
			target = dir
		}
		step := treeStep(ActionWriteFolder, it, target)
		step.Path = b.ref.Path
		step.file = annotatedText(it, annFile)
		if step.Path != "" {
			// The snapshot tells sizes of whole items only.
			step.Bytes, step.Entries = UnknownSize, 0
		} else {
			b.room.add(dir, it)
		}
		b.plan.Steps = append(b.plan.Steps, step)
		return
	}
	if single {
		target = filepath.Join(dir, fileName(it.Name))
	}
	switch {
	case it.Kind == KindImage:
		target += ".tar"
	case it.Kind != KindDefinition || strings.HasPrefix(it.Name, KindVolume+"/"):
		target += ".json"
	}
	bytes := annotatedNumber(it, annBytes, 0)
	b.room.AddBytes(dir, bytes, 1)
	b.plan.Steps = append(b.plan.Steps, RestoreStep{
		Action: ActionWriteFile, Kind: it.Kind, Name: it.Name, Target: target, Bytes: bytes, item: it,
	})
}

// fileName makes one file name of an item's name.
func fileName(name string) string {
	encoded := EncodeName(name)
	if encoded == "." || encoded == ".." {
		encoded = strings.ReplaceAll(encoded, ".", "%2E")
	}
	const longest = 200 // with an extension still below NAME_MAX
	if len(encoded) > longest {
		sum := shortSum(name)
		encoded = encoded[:longest-len(sum)-1] + "-" + sum
	}
	return encoded
}
