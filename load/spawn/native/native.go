// Package native holds the image of the native worker: a static program
// without libc or runtime that executes the operations of a plan exactly.
//
// The image is compiled from worker.c by go generate and committed, so that
// users need no compiler. The package is data only; package spawn runs it.
package native

//go:generate go run build.go -arch amd64
//go:generate go run build.go -arch arm64

// Image is the ELF image for the architecture this program is built for; nil
// where none is committed.
func Image() []byte { return image }
