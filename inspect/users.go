package inspect

import (
	"bytes"
	"strconv"
)

// parsePasswd reads user names from the text of /etc/passwd; the first entry
// of a number counts. os/user would do the same with a lookup per user.
func parsePasswd(text []byte) map[uint32]string {
	names := make(map[uint32]string)
	for line := range bytes.Lines(text) {
		fields := bytes.SplitN(bytes.TrimSpace(line), []byte(":"), 4)
		if len(fields) < 4 || len(fields[0]) == 0 || fields[0][0] == '#' {
			continue
		}
		uid, err := strconv.ParseUint(string(fields[2]), 10, 32)
		if err != nil {
			continue
		}
		if _, seen := names[uint32(uid)]; !seen {
			names[uint32(uid)] = string(fields[0])
		}
	}
	return names
}

// userName is the name of a user, the number when it has none.
func userName(names map[uint32]string, uid uint32) string {
	if name, ok := names[uid]; ok {
		return name
	}
	return strconv.FormatUint(uint64(uid), 10)
}
