package main

import "github.com/urfave/cli/v2"

func (h *host) backupCommand() *cli.Command {
	return &cli.Command{
		Name:     "backup",
		Category: maintenance,
		Usage:    "Save volumes, bind mounts, images and containers; restore them",
		Description: paragraph("A repository is an OCI image layout in a folder: skopeo, jq, zstd and tar restore it " +
			"without davit. An item of a snapshot is named SNAPSHOT:KIND/NAME, a path inside it follows behind //, " +
			"as in latest:volume/pgdata//base/1; SNAPSHOT is latest, an id or the beginning of one."),
		Subcommands: withServers(append([]*cli.Command{h.backupInitCommand(), h.backupKeyCommand(), h.backupScheduleCommand(), h.backupHistoryCommand()}, withIdentities(
			h.backupCreateCommand(),
			h.backupRunCommand(),
			h.backupStatusCommand(),
			h.backupLsCommand(),
			h.backupShowCommand(),
			h.backupFilesCommand(),
			h.backupRestoreCommand(),
			h.backupVerifyCommand(),
			h.backupDrillCommand(),
			h.backupDiffCommand(),
			h.backupStatsCommand(),
			h.backupCopyCommand(),
			h.backupForgetCommand(),
			h.backupUndeleteCommand(),
			h.backupGCCommand(),
			h.backupUnlockCommand(),
			h.backupRepairCommand(),
		)...)...),
	}
}
