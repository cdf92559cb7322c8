package views

// signalEnabled says whether signals may be sent.
func signalEnabled(a *app) (bool, string) {
	return !a.cfg.ReadOnly, "read-only"
}

func (a *app) signalMenu() {}
