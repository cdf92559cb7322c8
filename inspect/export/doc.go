// Package export writes what package inspect has found in formats of other
// tools. It writes to an io.Writer and opens nothing.
//
//	TraceBatch → TraceWriter → Chrome trace-event JSON (Perfetto, chrome://tracing)
package export
