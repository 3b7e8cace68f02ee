"""Sign-in, and the Accounts pages with the return from Amazon's consent page."""

from django.urls import path

from connector.accounts import account_views, application_views, connect_views, entry_views

entry_urls = [
    path("login", entry_views.login, name="login"),
    path("logout", entry_views.logout, name="logout"),
    path("login/<str:token>", entry_views.login_link, name="login-link"),
    path("first-admin/<str:token>", entry_views.first_admin, name="first-admin"),
]

account_urls = [
    path("accounts", account_views.account_list, name="accounts"),
    path("accounts/connect", connect_views.connect_account, name="account-connect"),
    path("accounts/callback", connect_views.callback, name="account-callback"),
    path("accounts/paste", connect_views.paste, name="account-paste"),
    path("accounts/<uuid:account_id>", account_views.account_detail, name="account"),
    path("accounts/<uuid:account_id>/reauthorize", connect_views.reauthorize, name="account-reauthorize"),
    path("accounts/<uuid:account_id>/rename", account_views.rename, name="account-rename"),
    path("accounts/<uuid:account_id>/test", account_views.test, name="account-test"),
    path("accounts/<uuid:account_id>/delete", account_views.delete, name="account-delete"),
]

application_urls = [
    path("accounts/applications/new", application_views.new_application, name="application-new"),
    path("accounts/applications/<uuid:application_id>", application_views.application, name="application"),
    path(
        "accounts/applications/<uuid:application_id>/delete",
        application_views.delete_application,
        name="application-delete",
    ),
]

urlpatterns = [*entry_urls, *account_urls, *application_urls]
