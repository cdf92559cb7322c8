package native

import _ "embed"

//go:embed worker_arm64.elf
var image []byte
