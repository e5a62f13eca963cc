#!/usr/bin/perl
# A small HTTP server for one page, with what Debian's base has. It ends at once on SIGTERM.
use strict;
use warnings;
use IO::Socket::INET;

my $port = $ENV{PORT} || 8080;
open(my $file, '<', '/app/site/index.html') or die "page: $!";
my $page = do { local $/; <$file> };
close $file;

$SIG{TERM} = $SIG{INT} = sub { exit 0 };
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';

my $listener = IO::Socket::INET->new(LocalPort => $port, Listen => 128, ReuseAddr => 1) or die "listen on $port: $!";
$| = 1;
print "listening on $port\n";

while (1) {
    my $client = $listener->accept or next;
    my $pid = fork;
    next unless defined $pid && $pid == 0;
    alarm 10;
    my $request = <$client> // '';
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    $request =~ s/[^\x20-\x7e]//g;
    print "$request\n";
    my ($status, $body) = $request =~ m{^(?:GET|HEAD) /(?:\?\S*)? } ? ('200 OK', $page) : ('404 Not Found', "not found\n");
    print $client "HTTP/1.1 $status\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ", length $body,
        "\r\nConnection: close\r\n\r\n", $request =~ /^HEAD/ ? '' : $body;
    exit 0;
}
