#!/bin/sh
exec sleep inf
