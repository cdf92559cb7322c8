package native

import _ "embed"

//go:embed worker_amd64.elf
var image []byte
