package cmd

const (
	logID   = "00000000000000aa"
	logLine = "2015-01-01T00:00:00UTC demo[web.1]: hello\n" // 42 bytes
)

var logsStories = []story{
	{name: "follow, cut in a line, silent for a while, destroyed", args: words("logs -a demo -f -n 1"), calls: []exchange{
		{request: "GET /v1/apps/demo/logs?follow=1&log_lines=1", status: 200, position: logID + "-1000", answer: "\n" + logLine + "2015-01-01T00:00:00UTC demo[web.1]: not all of it"},
		{request: "GET /v1/apps/demo/logs?follow=1&position=" + logID + "-1042", status: 503, answer: "<html>Service Unavailable</html>\n"},
		{request: "GET /v1/apps/demo/logs?follow=1&position=" + logID + "-1042", status: 200, position: logID + "-1042", answer: logLine + "\n\n" + logLine},
		{request: "GET /v1/apps/demo/logs?follow=1&position=" + logID + "-1126", status: 404, answer: notFound},
	}},
	{name: "follow, as much before as the controller likes, with gaps", args: words("apps:logs -a demo --follow"), calls: []exchange{
		{request: "GET /v1/apps/demo/logs?follow=1", status: 200, position: logID + "-0", answer: logLine},
		{request: "GET /v1/apps/demo/logs?follow=1&position=" + logID + "-42", status: 200, position: logID + "-100", gap: "58", answer: logLine},
		{request: "GET /v1/apps/demo/logs?follow=1&position=" + logID + "-142", status: 200, position: "00000000000000bb-0", gap: "unknown", answer: logLine},
		{request: "GET /v1/apps/demo/logs?follow=1&position=00000000000000bb-42", status: 403, answer: forbidden},
	}},
	{name: "follow, nothing from before", args: words("logs -a demo -n 0 -f"), calls: []exchange{
		{request: "GET /v1/apps/demo/logs?follow=1&log_lines=0", status: 401, answer: `{"detail":"Invalid token"}`},
	}},
	{name: "follow, less than nothing", args: words("logs -a demo -n -1 -f"), calls: []exchange{
		{request: "GET /v1/apps/demo/logs?follow=1&log_lines=0", status: 500, answer: "Error accessing logs for demo"},
	}},
	{name: "follow at a controller that cannot", args: words("logs -a demo -f"), calls: []exchange{
		{request: "GET /v1/apps/demo/logs?follow=1", status: 200, answer: logLine},
	}},
	{name: "follow takes no argument", args: words("logs -a demo --follow=yes")},
}
