use strict;
use warnings;
use FFI::Platypus 2.00;
use JSON::PP;

my $ffi = FFI::Platypus->new(api => 2, lib => $ENV{TOKENMGR_LIBRARY} // 'libtokenmgr.so.0');
$ffi->attach(tm_new => ['string', 'string', 'string', 'string', 'opaque*'] => 'opaque');
$ffi->attach(tm_free => ['opaque'] => 'void');
$ffi->attach(tm_request => ['opaque', 'string', 'string', 'opaque', 'size_t', 'string', 'opaque*'] => 'opaque');
$ffi->attach(tm_response_body => ['opaque'] => 'string');
$ffi->attach(tm_response_error => ['opaque'] => 'opaque');
$ffi->attach(tm_response_free => ['opaque'] => 'void');
$ffi->attach(tm_error_message => ['opaque'] => 'string');
$ffi->attach(tm_error_free => ['opaque'] => 'void');

sub fail {
    my ($err) = @_;
    my $message = tm_error_message($err);
    tm_error_free($err);
    die "$message\n";
}

my $tm = tm_new(undef, undef, undef, undef, \my $err); # host and credentials from the environment
fail($err) unless $tm;
my $response = tm_request($tm, 'GET', '/api/v1/products', undef, 0, undef, \$err);
fail($err) unless $response;
my $refused = tm_response_error($response); # a 4xx or 5xx: borrowed, never freed
die tm_error_message($refused), "\n" if $refused;
print "$_->{name}\n" for @{ decode_json(tm_response_body($response))->{data} };
tm_response_free($response);
tm_free($tm);
