-- What a server serves is its release: a version that is put and a tool that is deleted change nothing of it before the next one, which is an
-- update of the server and tells of itself. The notice of each put made every node read all that the server has again.
DROP TRIGGER tools_changed ON tools;
