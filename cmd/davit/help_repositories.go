package main

import (
	"davit/backup/repo/storage"

	"github.com/urfave/cli/v2"
)

func helpRepositories(p *page, _ *cli.App) {
	p.line("--repo, DAVIT_REPO and a path in config.yaml take")
	p.column = 36
	for _, row := range [][2]string{
		{"/srv/backup", "a folder"},
		{"s3://BUCKET/PREFIX", "a bucket at Amazon"},
		{"s3://HOST[:PORT]/BUCKET/PREFIX", "a bucket of another server (HOST has a dot or a port)"},
		{"s3://http://HOST:PORT/BUCKET", "the same without TLS"},
		{"sftp://[USER@]HOST[:PORT]/FOLDER", "a folder of an SSH server; /./FOLDER is below the user's own"},
	} {
		p.row(row[0], row[1])
	}
	p.line("")
	p.paragraph("S3: keys come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, else from ~/.aws/credentials " +
		"(AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE), else from the role of the machine; the region from AWS_REGION.")
	p.paragraph("SFTP: keys come from the agent, then from ~/.ssh/id_ed25519, id_ecdsa and id_rsa, or the one that DAVIT_SSH_KEY names. " +
		"The server must be in ~/.ssh/known_hosts or /etc/ssh/ssh_known_hosts. ~/.ssh/config is not read.")
	p.paragraph("A server must show at once what was written or removed, which init tries. An SSH server must let the account use " +
		"posix-rename@openssh.com and fsync@openssh.com.")
	p.line("%d uploads or downloads run at once; --parallel N, --limit-upload RATE and", storage.DefaultParallel)
	p.line("--limit-download RATE change that. Many hosts may use one repository at once.")
}
