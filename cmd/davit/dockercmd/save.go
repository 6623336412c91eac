package dockercmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"davit/backup/archive"
	"davit/engine"

	"github.com/containerd/platforms"
	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command/completion"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

type saveOptions struct{ output, platform string }

// saveCommand is docker's save, which packs by the name of the file and leaves no part of one behind.
func (s *session) saveCommand() *cobra.Command {
	var o saveOptions
	cmd := &cobra.Command{
		Use:   "save [OPTIONS] IMAGE [IMAGE...]",
		Short: "Save one or more images to a tar archive (streamed to STDOUT by default)",
		Long: "Save one or more images to a tar archive (streamed to STDOUT by default).\n" +
			"A file named .tar.gz or .tar.zst is compressed, and appears only when it is complete.",
		Args:              cli.RequiresMinArgs(1),
		Annotations:       map[string]string{"aliases": "docker image save, docker save"},
		ValidArgsFunction: completion.ImageNames(s, -1),
		RunE: func(cmd *cobra.Command, images []string) error {
			err := s.save(cmd.Context(), images, o)
			if err != nil && cmd.Context().Err() != nil {
				return context.Cause(cmd.Context()) // which signal it was: half a save is no success
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "Write to a file, instead of STDOUT")
	flags.StringVar(&o.platform, "platform", "", `Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")`)
	_ = flags.SetAnnotation("platform", "version", []string{"1.48"})
	_ = cmd.RegisterFlagCompletionFunc("platform", completion.Platforms)
	return cmd
}

func (s *session) save(ctx context.Context, images []string, o saveOptions) error {
	from := saver{api: s.Client()}
	if o.platform != "" {
		platform, err := platforms.Parse(o.platform)
		if err != nil {
			return fmt.Errorf("invalid platform: %w", err)
		}
		from.options = append(from.options, engine.SavePlatform(platform))
	}
	if o.output == "" && s.Out().IsTerminal() {
		return errors.New("cowardly refusing to save to a terminal. Use the -o flag or redirect")
	}
	if err := s.checkSpool(ctx, images); err != nil {
		return err
	}
	if o.output != "" {
		return archive.Save(ctx, from, images, o.output)
	}
	stream, err := from.SaveImages(ctx, images)
	if err != nil {
		return err
	}
	defer stream.Close()
	return archive.Pack(ctx, s.Out(), stream, archive.Plain)
}

// saver is the engine as [archive.Save] sees it.
type saver struct {
	api     engine.CommandAPI
	options []engine.SaveOption
}

func (s saver) SaveImages(ctx context.Context, refs []string) (io.ReadCloser, error) {
	return s.api.ImageSave(ctx, refs, s.options...)
}

// checkSpool refuses what would fill the engine's disk: with a graph driver, it writes an image there before the
// first byte of it comes. What cannot be measured is no reason to refuse.
func (s *session) checkSpool(ctx context.Context, images []string) error {
	host := s.DockerEndpoint().Host
	if !strings.HasPrefix(host, "unix://") {
		return nil
	}
	local, err := engine.Connect(ctx, engine.Target{Host: host})
	if err != nil {
		return nil
	}
	defer local.Close()
	room, err := local.SpoolRoom(ctx)
	if err != nil || !room.Spools {
		return nil
	}
	var need uint64
	seen := map[string]bool{}
	for _, ref := range images {
		found, err := local.InspectImage(ctx, ref)
		if err != nil || seen[found.ID] || found.Size < 0 {
			continue
		}
		seen[found.ID] = true
		need += uint64(found.Size)
	}
	if need > room.Free {
		return fmt.Errorf("save images: the engine first writes them to %s, which has room for %s of %s",
			room.Path, units.HumanSize(float64(room.Free)), units.HumanSize(float64(need)))
	}
	return nil
}
