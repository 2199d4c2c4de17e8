@extends('layout')
@section('title', 'Log in')
@section('body')
<form method="post" action="{{ url('/login') }}">
@csrf
<input name="email" value="{{ old('email') }}">
<input name="password" type="password">
<button>Log in</button>
</form>
@endsection
